"""What every method sends per adapted layer, client and round: measured on the wire, against the papers' formulas."""

from collections.abc import Callable
from inspect import signature

import pytest

from florg_app.engines.inline import task_identity
from strategies import METHODS
from tests.support.fakes import GROUPS, Run

Numbers = Callable[..., int]
"""(rank, out_features, in_features) -> how many numbers; with the round before them where they differ by round."""


def factors(r: int, o: int, i: int) -> int:
    return r * (o + i)


FORMULAS: dict[str, tuple[Numbers, Numbers]] = {
    "florg": (lambda r, o, i: r * min(o, i), lambda r, o, i: r * min(o, i)),
    "fedit": (factors, factors),
    "ffa-lora": (lambda r, o, i: r * o, lambda r, o, i: r * o),
    "fedsa-lora": (lambda r, o, i: r * i, lambda r, o, i: r * i),
    "fedrot-lora": (factors, factors),
    "federa": (factors, factors),
    "federa-svd": (factors, factors),
    "flexlora": (factors, factors),
    "fedex-lora": (factors, lambda r, o, i: r * (o + i) + o * i),
    "lora-fair": (factors, factors),
    "flora-na": (factors, factors),
    "flora": (factors, lambda r, o, i: o * i),
    "hetlora": (factors, factors),
    "rac-lora": (lambda r, o, i: r * o, lambda r, o, i: o * i),
    "slora": (lambda r, o, i: round(0.01 * o * i) or 1, lambda r, o, i: round(0.01 * o * i) or 1),
    "fedavg": (lambda r, o, i: o * i, lambda r, o, i: o * i),
    "fedprox": (lambda r, o, i: o * i, lambda r, o, i: o * i),
    "fedftg": (lambda r, o, i: o * i, lambda r, o, i: o * i),
    "local": (lambda r, o, i: 0, lambda r, o, i: 0),
    "centralised": (factors, factors),
    "rolora": (lambda t, r, o, i: r * o if t % 2 else r * i, lambda t, r, o, i: r * (o + i)),
    "fedsvd": (lambda r, o, i: r * o, factors),
    "fedmomentum": (factors, lambda t, r, o, i: (o + i) * (r + (t - 1) * (min(2 * r, o, i) - r))),
    "florist": (factors, lambda t, r, o, i: (o + i) * (t - 1) * min(2 * r, o, i)),
    "frlora": (factors, lambda r, o, i: r * (o + i) + o * i),
    "hlora": (factors, factors),
}
"""Method -> (up, down), in the first two rounds of two clients."""

COUNTED = {"florist": {"energy": 1.0}}
"""Settings with which the numbers do not depend on what clients learn."""


def test_every_method_has_its_formula():
    lacking, unknown = METHODS.keys() - FORMULAS, FORMULAS.keys() - METHODS
    assert not lacking, f"no line in FORMULAS for {sorted(lacking)}: docs/add-a-method.md, step 6"
    assert not unknown, f"FORMULAS has lines for methods that METHODS has not: {sorted(unknown)}"


def numbers(formula: Numbers, t: int, *sizes: int) -> int:
    """What a formula says of round t."""
    return formula(t, *sizes) if len(signature(formula).parameters) == 4 else formula(*sizes)


@pytest.mark.parametrize("name", METHODS)
def test_adapters_cost_what_the_formula_of_the_method_says(name):
    if name not in FORMULAS:
        pytest.skip("it has no formula, which another test says")
    with task_identity():
        run = Run(METHODS[name](**COUNTED.get(name, {})), num_clients=2).go(2)
    for record in run.records:
        traffic = record.as_dict()
        ranks = {client: metrics["rank"] for client, metrics in traffic["clients"].items()}
        for direction, formula in zip(("up", "down"), FORMULAS[name], strict=True):
            assert traffic[direction]["adapter-numbers"] == sum(
                len(group.layers) * numbers(formula, record.t, rank, group.out_features, group.in_features)
                for group in GROUPS
                for rank in ranks.values()
            )
        assert set(ranks.values()) == {METHODS[name]().active_rank(record.t, run.manifest.rank)}
