"""Cross-field validation: settings that are each valid but contradict each other.

Protection and ranks have files of their own. Every error says what to change.
"""

from pathlib import Path

from florg_app.config.partition_settings import PartitionSettings
from strategies.method import Method
from strategies.plan import Role
from strategies.server.roster import sample_clients


def check_quorum(min_uploads: int, min_clients: int, fraction_train: float, seed: int) -> None:
    """Raise ValueError where a round may ask fewer clients than must answer."""
    sampled = len(sample_clients(list(range(min_clients)), fraction_train, seed, 1))
    if min_uploads > sampled:
        raise ValueError(
            f"min-uploads = {min_uploads} can skip every round: min-clients = {min_clients} and "
            f"fraction-train = {fraction_train} may sample only {sampled}; lower min-uploads, "
            f"or raise min-clients or fraction-train"
        )


def check_schedule(schedule: str, warmup_rounds: int, num_rounds: int) -> None:
    """Raise ValueError where a warm-up has no schedule that rises, ends with the run, or is needed and not there."""
    given = f"train.warmup-rounds = {warmup_rounds}"
    if warmup_rounds and schedule == "constant":
        raise ValueError(
            f'{given} has no effect with train.schedule = "constant"; set it to 0, or train.schedule = '
            '"constant_with_warmup"'
        )
    if num_rounds and warmup_rounds >= num_rounds:
        raise ValueError(
            f"{given} leaves no round of num-server-rounds = {num_rounds} at the full learning rate; lower it, or "
            "raise num-server-rounds"
        )
    if schedule == "inverse_sqrt" and not warmup_rounds:
        raise ValueError(
            f'{given} is impossible with train.schedule = "inverse_sqrt", which falls on the scale of its warm-up; set '
            "it to 1 or more"
        )


def check_moments(optimizer_state: str, method: Method) -> None:
    """Raise ValueError where an optimizer would go on with the moments of tensors that are begun anew."""
    fresh = method.plan.named(Role.FRESH)
    if fresh and optimizer_state == "keep":
        raise ValueError(
            f'train.optimizer-state = "keep" has no meaning with strategy.name = "{method.name}": it begins '
            f'{" and ".join(fresh)} anew each round, which old moments do not belong to; set it to "reset"'
        )
    if method.traits.roles_by_round and optimizer_state == "keep":
        raise ValueError(
            f'train.optimizer-state = "keep" is impossible with strategy.name = "{method.name}", whose clients train '
            'other tensors in the next round than in this one; set it to "reset"'
        )


def check_scored_rows(on_clients: bool, client_rows: str, central_rows: str, holdout: float) -> None:
    """Raise ValueError where a model is to be scored on rows that clients hold out, and they hold out none.

    The first three are of `evaluate`; `holdout` is the share of rows that clients do not train on.
    """
    if on_clients and client_rows == "held-out" and not holdout:
        raise ValueError(
            "evaluate.on-clients = true needs rows that clients do not train on; set partition.holdout above 0, "
            'or evaluate.client-rows = "validation"'
        )
    if central_rows == "union-held-out" and not holdout:
        raise ValueError(
            'evaluate.rows = "union-held-out" needs rows that clients do not train on; set partition.holdout above 0'
        )


def check_client_files(folder: Path | None, partition: PartitionSettings) -> None:
    """Raise ValueError where rows would be divided that belong to clients already."""
    changed = partition.model_copy(update={"holdout": 0.0}) != PartitionSettings()
    if folder is not None and changed:
        raise ValueError(
            f'task.client-files = "{folder}" gives each client the rows of one file, which are not divided; remove all '
            "partition settings but partition.holdout"
        )
