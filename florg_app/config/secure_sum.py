"""When a secure sum means what it promises: which methods and settings it goes with, and why not."""

from florg_app.config.protection import PrivacySettings, Reason, RobustSettings
from strategies.exchange.uploads import UploadForm
from strategies.method import Method
from strategies.plan import UPLOADED, Weighting
from strategies.protection.secure_sum.client_steps import FEWEST
from strategies.protection.secure_sum.rules import SecureSumRules
from strategies.server.roster import sample_clients


def rules_of(privacy: PrivacySettings, weighting: Weighting) -> SecureSumRules | None:
    """Return what all sums of a run have in common; None where uploads are not summed securely."""
    if not privacy.secure_sum:
        return None
    largest = privacy.max_examples if weighting == "examples" else 1
    return SecureSumRules(privacy.max_dropouts, privacy.max_number, largest)


def no_secure_sum(method: Method) -> Reason:
    """Say why the clients' summands cannot be summed without the server seeing one; empty where they can."""
    if method.traits.pooled:
        return "trains one client on the rows of all, whose upload is the sum"
    if not any(role in UPLOADED for role in (*method.plan.roles.values(), method.plan.head)):
        return "uploads nothing, so that there is nothing to sum"
    if method.traits.needs == "stack":
        return "needs all uploads side by side, and not their sum alone"
    return ""


def check_secure_sum(
    privacy: PrivacySettings,
    robust: RobustSettings,
    method: Method,
    weighting: Weighting,
    upload: UploadForm,
    scores: bool,
    fewest: int,
) -> None:
    """Raise ValueError where a secure sum cannot be, or would show more than the sum.

    scores: whether clients send scores of their own; fewest: how many clients a round asks at least.
    """
    rules, off = rules_of(privacy, weighting), "or privacy.secure-sum = false"
    if rules is None:
        return
    given = "privacy.secure-sum = true"
    if reason := no_secure_sum(method):
        other = "" if no_secure_sum(type(method)()) else "the defaults of its own settings, "
        raise ValueError(
            f'{given} is impossible with strategy.name = "{method.name}", which {reason}; choose {other}another '
            f"strategy.name, {off}"
        )
    if weighting == "norm":
        raise ValueError(
            f"{given} shows the server no upload, but the weights are norms that it takes of each; set "
            f'strategy.weighting = "uniform", {off}'
        )
    if upload != "summand":
        raise ValueError(
            f'{given} adds up what clients send, and strategy.upload = "{upload}" is not what the method sums; set '
            f'strategy.upload = "summand", {off}'
        )
    if robust.combine != "mean":
        raise ValueError(
            f'{given} gives the server a sum alone, of which there is no robust.combine = "{robust.combine}"; set it '
            f'to "mean", {off}'
        )
    if robust.norm_bound:
        raise ValueError(
            f"{given} shows the server no upload whose norm robust.norm-bound = {robust.norm_bound:g} could compare; "
            f"set it to 0, {off}"
        )
    if weighting == "examples" and robust.max_share < RobustSettings().max_share:
        raise ValueError(
            f"{given} shows the server no client's weight, which robust.max-share = {robust.max_share:g} would bound; "
            f'leave it out, as privacy.max-examples bounds every weight, or set strategy.weighting = "uniform", {off}'
        )
    if scores:
        raise ValueError(
            f"{given} hides what clients upload, and evaluate.on-clients = true would send scores of their own rows "
            f"beside it; set it to false, {off}"
        )
    if refusal := rules.refusal(fewest):
        most = min(fewest - FEWEST, (fewest - 1) // 2)
        fewer = f"set privacy.max-dropouts to at most {most}, " if most >= 0 else ""
        raise ValueError(
            f"{given}: min-clients and fraction-train may ask no more than {fewest} clients: {refusal}; raise them, "
            f"{fewer}{off}"
        )


def fewest_asked(min_clients: int, fraction_train: float, seed: int) -> int:
    """Count the clients that a round asks when no more than `min_clients` are there."""
    return len(sample_clients(list(range(min_clients)), fraction_train, seed, 1))
