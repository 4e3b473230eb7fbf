"""What simulated clients keep to themselves, looked at before a run goes on: without it the run would end elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clients.memory import made_rounds, read_store, store_file
from florg_app.checkpoints.run_checkpoint import RunCheckpoint
from florg_app.client_side.memories import OPTIMIZER, REST
from florg_app.config.wire_settings import wire_of
from florg_app.engines.resumed import CLIENTS
from florg_app.reports.history import HistoryEntry
from strategies.exchange.lineage import Attempt, Lineage
from strategies.exchange.wire import PARTITION, RUN, Malformed
from strategies.plan import KEPT, Role
from strategies.state import HEAD


def require_client_files(saved: RunCheckpoint, records: Sequence[HistoryEntry]) -> None:
    """Raises ValueError where a client that took part up to the checkpoint has lost what it keeps, or it is damaged.

    `records` are the run's history: it says who took part.
    """
    folder = saved.path.parent / CLIENTS
    last = {partition: r["round"] for r in records if r["round"] <= saved.round for partition in r.get("accepted", ())}
    lineage = replace(saved.lineage, attempts=(*saved.lineage.attempts, Attempt("next", saved.round)))
    problems = [
        f"{file}: {problem}"
        for below in _kinds(saved)
        for partition, t in sorted(last.items())
        if (problem := _problem(file := store_file(folder / below, str(partition)), below, partition, t, lineage))
    ]
    if problems:
        raise ValueError(
            f"{saved.path} cannot be gone on with: what clients keep to themselves is not as it was left:\n"
            + "".join(f"  - {problem}\n" for problem in problems[:5])
            + (f"  and {len(problems) - 5} more\n" if len(problems) > 5 else "")
            + "bring these files back, or start a new run without resume-from"
        )


def _kinds(saved: RunCheckpoint) -> list[str]:
    """The folders below CLIENTS in which every client that took part has a file."""
    plan, train, settings = saved.settings.method.plan, saved.settings.train, saved.settings
    tensors = bool(plan.named(*KEPT)) or plan.head in KEPT
    stateful = train.optimizer != "sgd" or train.momentum > 0 or settings.method.projection() is not None
    shared = bool(plan.named(Role.SHARED)) or (plan.head is Role.SHARED and HEAD in saved.state)
    kinds = {
        "": tensors,
        OPTIMIZER: train.optimizer_state == "keep" and stateful,
        REST: wire_of(settings.wire).feedback and shared,
    }
    return [kind for kind, there in kinds.items() if there]


def _problem(file: Path, below: str, partition: int, took_part: int, lineage: Lineage) -> str:
    """Why a file is not what the client of a partition left that took part in a round of the run; "" where it is."""
    if not file.exists():
        return f"it is missing, and its client took part in round {took_part}"
    found = read_store(file)
    if isinstance(found, Malformed):
        return found.reason
    _, owner = found
    if (owner.get(RUN), owner.get(PARTITION)) != (lineage.run, str(partition)):
        return f"it is of partition {owner.get(PARTITION)} in run {owner.get(RUN)}"
    if any((kind in owner) != (below == kind) for kind in (OPTIMIZER, REST)):
        return "it holds something else that the client keeps: tensors, an optimizer's state, the rest of an upload"
    made = made_rounds(owner)
    usable = [t for t, attempt in made.items() if t <= lineage.attempts[-1].after and lineage.made(attempt, t)]
    if max(usable, default=-1) >= took_part:
        return ""
    return f"it holds rounds {sorted(made)} of what its client did, which took part in round {took_part}"
