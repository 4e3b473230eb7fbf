"""What a checkpoint says about its run beside the state: written by the server, read by `rebuild` and `resume`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from florg_app.assembly import Assembly
from florg_app.checkpoints import checkpoint_file
from florg_app.config.parse import flatten_settings, parse_settings
from florg_app.config.settings import Settings
from strategies.exchange.lineage import Attempt, Lineage
from strategies.exchange.wire import ADVICE, RUN
from strategies.state import State, fits

_NEEDED = ("round", "settings", "identity", RUN, "attempts", "bookkeeping", "seconds")

OTHER_CODE = "the run was made by another version of this code; model, layers and bases agree"


@dataclass(frozen=True)
class RunCheckpoint:
    """A run at the end of a round."""

    path: Path
    round: int
    settings: Settings
    identity: Mapping[str, str]
    lineage: Lineage
    bookkeeping: Mapping[str, Any]
    """The strategy's."""
    seconds: float
    """That the run had taken."""
    state: State


def run_metadata(
    assembly: Assembly,
    settings: Settings,
    t: int,
    lineage: Lineage,
    bookkeeping: Mapping[str, Any],
    seconds: float,
) -> dict[str, str]:
    """The header of the checkpoint of round t: what rebuilds the model from it and goes on with the run."""
    layers = {group.name: group.layers for group in assembly.manifest.groups}
    return {
        "round": str(t),
        RUN: lineage.run,
        "attempts": json.dumps([asdict(attempt) for attempt in lineage.attempts]),
        "settings": json.dumps(flatten_settings(settings)),
        "layers": json.dumps(layers),
        "head": json.dumps(assembly.manifest.head),
        "identity": json.dumps(assembly.identity),
        "plan": json.dumps(asdict(assembly.manifest.plan)),
        "bookkeeping": json.dumps(bookkeeping),
        "seconds": str(seconds),
    }


def read_run_checkpoint(path: Path) -> RunCheckpoint:
    """Raises ValueError, naming the file and its fault, where it is no usable checkpoint of a run."""
    state, header = checkpoint_file.load_checkpoint(path)
    return _saved(path, state, header)


def read_run_header(path: Path) -> RunCheckpoint:
    """The same with an empty state, without reading the tensors. Raises ValueError."""
    return _saved(path, State(), checkpoint_file.read_checkpoint_header(path))


def _saved(path: Path, state: State, header: Mapping[str, str]) -> RunCheckpoint:
    if missing := [key for key in _NEEDED if key not in header]:
        raise ValueError(f"{path} does not say its {', '.join(missing)}; it was not written by a run")
    try:
        settings = parse_settings(json.loads(header["settings"]))
    except ValueError as error:
        raise ValueError(f"{path} has settings that this version cannot use: {error}") from error
    attempts = tuple(Attempt(**attempt) for attempt in json.loads(header["attempts"]))
    return RunCheckpoint(
        path=path,
        round=int(header["round"]),
        settings=settings,
        identity=json.loads(header["identity"]),
        lineage=Lineage(header[RUN], attempts),
        bookkeeping=json.loads(header["bookkeeping"]),
        seconds=float(header["seconds"]),
        state=state,
    )


def check_same_model(saved: RunCheckpoint, assembly: Assembly) -> tuple[str, ...]:
    """Notes about what differs without making the model another one: the code.

    Raises ValueError where model, layers, bases or the shapes of the state are not those that `assembly` has.
    """
    own = assembly.identity
    for part in own:
        if part != "source" and saved.identity.get(part) != own[part]:
            raise ValueError(
                f"{saved.path} does not belong to the model that its settings give here: {part} was "
                f"{saved.identity.get(part)} and is {own[part]}; {ADVICE[part]}"
            )
    expected, found = assembly.manifest.held, saved.state.sizes
    if expected.keys() != found.keys() or any(not fits(found[key], expected[key]) for key in expected):
        raise ValueError(f"{saved.path} holds the tensors {found}, expected {dict(expected)}; use another checkpoint")
    return () if saved.identity.get("source") == own["source"] else (OTHER_CODE,)
