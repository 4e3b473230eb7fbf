"""Which options on uploads each method takes, as tables: from the rules that accept and refuse the settings."""

import torch

from florg_app.config.protection import NO_PRIVACY, no_robust_mean, no_summand
from florg_app.config.secure_sum import no_secure_sum
from strategies import METHODS
from strategies.exchange.traffic import predict_traffic
from strategies.exchange.uploads import UploadForm, zero_update
from strategies.manifest import Manifest
from strategies.method import Method
from strategies.parametrisation import PARAMETRISATIONS
from strategies.plan import Role
from strategies.state import Group, State

EXAMPLE_LAYER, EXAMPLE_RANK, EXAMPLE_ROUND = Group(768, 768, ("layer",)), 4, 2
"""A layer of a usual size, a usual rank and a round after the first, for which numbers are compared."""

HEADINGS = (
    "strategy.name",
    'upload = "summand"',
    "robust.combine",
    "secure sum",
    "privacy on clients",
    "privacy on the server",
)


def option_rows() -> list[tuple[str, ...]]:
    """One row of HEADINGS for each method with its defaults."""
    return [(name, *_options(cls())) for name, cls in METHODS.items()]


def options_markdown() -> str:
    """The rows for a page."""
    lines = [
        f"| {' | '.join(f'`{h}`' if '.' in h or '=' in h else h for h in HEADINGS)} |",
        "|---" * len(HEADINGS) + "|",
    ]
    return "\n".join(lines + [f"| `{name}` | {' | '.join(cells)} |" for name, *cells in option_rows()])


def numbers_sent(form: UploadForm, method: Method) -> int:
    """How many numbers a client uploads for EXAMPLE_LAYER."""
    manifest = Manifest(method.name, method.plan, (EXAMPLE_LAYER,), (), EXAMPLE_RANK, 1.0, 0)
    shapes = PARAMETRISATIONS[method.plan.adapter].shapes(EXAMPLE_LAYER, EXAMPLE_RANK)
    # Shapes alone, on torch's "meta" device: tensors without numbers. A size that changes from round to round counts 0.
    tensors = {
        symbol: torch.empty((1, *(size or 0 for size in shape)), device="meta")
        for symbol, shape in shapes.items()
        if method.plan.roles[symbol] is not Role.LOCAL
    }
    state = State({EXAMPLE_LAYER.name: tensors})
    layout = manifest.in_round(method, EXAMPLE_ROUND)
    return predict_traffic(zero_update(form, method, EXAMPLE_ROUND, state, layout).sizes).adapter_numbers


def _options(method: Method) -> tuple[str, ...]:
    if not any(method.plan.named(Role.SHARED, Role.FRESH)):
        return ("nothing is sent",) * (len(HEADINGS) - 1)
    given = {"uniform": "yes", "examples": "with uniform weights", "norm": "with uniform weights"}[
        method.plan.weighting
    ]
    on_clients = "yes" if method.plan.weighting == "norm" else given
    summed = "with uniform weights" if method.plan.weighting == "norm" else "yes"
    return (
        "no" if no_summand(method) else _size(method),
        "no" if no_robust_mean(method) else given,
        "no" if no_secure_sum(method) else summed,
        "no" if NO_PRIVACY["client"](method) else on_clients,
        "no" if NO_PRIVACY["server"](method) else given,
    )


def _size(method: Method) -> str:
    before, after = (numbers_sent(form, method) for form in ("tensors", "summand"))
    factor = "as large" if after == before else f"{after / before:.0f} × as large"
    return factor if method.plan.weighting != "norm" else f"{factor}, with uniform weights"
