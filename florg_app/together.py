"""Which settings do not go together, beside those that have a file of their own; every error says what to change."""

from strategies.method import Method, Role
from strategies.roster import sample


def check_quorum(min_uploads: int, min_clients: int, fraction_train: float, seed: int) -> None:
    """Raise ValueError where a round may ask fewer clients than must answer."""
    sampled = len(sample(list(range(min_clients)), fraction_train, seed, 1))
    if min_uploads > sampled:
        raise ValueError(
            f"min-uploads = {min_uploads} can skip every round: min-clients = {min_clients} and "
            f"fraction-train = {fraction_train} may sample only {sampled}; lower min-uploads, "
            f"or raise min-clients or fraction-train"
        )


def check_moments(optimizer_state: str, method: Method) -> None:
    """Raise ValueError where an optimizer would go on with the moments of tensors that are begun anew."""
    fresh = method.plan.named(Role.FRESH)
    if fresh and optimizer_state == "keep":
        raise ValueError(
            f'train.optimizer-state = "keep" has no meaning with strategy.name = "{method.name}": it begins '
            f'{" and ".join(fresh)} anew each round, which old moments do not belong to; set it to "reset"'
        )


def check_own_rows(on_clients: bool, client_rows: str, holdout: float) -> None:
    """Raise ValueError where clients have no rows to score a model on."""
    if on_clients and client_rows == "held-out" and not holdout:
        raise ValueError(
            "evaluate.on-clients = true needs rows that clients do not train on; set partition.holdout above 0, "
            'or evaluate.client-rows = "validation"'
        )
