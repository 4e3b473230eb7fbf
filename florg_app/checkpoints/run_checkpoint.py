"""A run at the end of a round: what the server writes with the state, and what goes on, or is rebuilt, from it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from florg_app.assembly import Assembly
from florg_app.checkpoints import checkpoint_file
from florg_app.checkpoints.file_names import round_in_name
from florg_app.checkpoints.header import parse_header
from florg_app.config.parse import flatten_settings, parse_settings
from florg_app.config.settings import Settings
from strategies.exchange.lineage import Lineage
from strategies.exchange.wire import ADVICE, RUN
from strategies.state import State, fits

OTHER_CODE = "the run was made by another version of this code; model, layers and bases agree"

UNSEALED = "was written by a version that made no digests: had it been damaged since, that might not show"


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
    sealed: bool
    """Whether damage would have shown when it was read."""
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


def _saved(path: Path, state: State, texts: Mapping[str, str]) -> RunCheckpoint:
    try:
        header = parse_header(texts)
    except ValueError as error:
        raise ValueError(f"{path} cannot be used: {error}") from error
    if (named := round_in_name(path)) not in (None, header.round):
        raise ValueError(f"{path} is named after round {named}, but is of round {header.round}: it was renamed")
    try:
        settings = parse_settings(header.settings)
    except ValueError as error:
        raise ValueError(f"{path} has settings that this version cannot use: {error}") from error
    return RunCheckpoint(
        path=path,
        round=header.round,
        settings=settings,
        identity=header.identity,
        lineage=Lineage(header.run, header.attempts),
        bookkeeping=header.bookkeeping.model_dump(by_alias=True),
        seconds=header.seconds,
        sealed=header.sealed,
        state=state,
    )


def check_same_model(saved: RunCheckpoint, assembly: Assembly) -> tuple[str, ...]:
    """Notes about what differs without making the model another one: the code, and a file without digests.

    Raises ValueError where model, layers, bases or the shapes of the state are not those that `assembly` has, or the
    state is not finite.
    """
    own = assembly.identity
    for part in own:
        if part not in ("source", "start") and saved.identity.get(part) != own[part]:
            raise ValueError(
                f"{saved.path} does not belong to the model that its settings give here: {part} was "
                f"{saved.identity.get(part)} and is {own[part]}; {ADVICE[part]}"
            )
    expected, found = assembly.manifest.held, saved.state.sizes
    if expected.keys() != found.keys() or any(not fits(found[key], expected[key]) for key in expected):
        raise ValueError(f"{saved.path} holds the tensors {found}, expected {dict(expected)}; use another checkpoint")
    for key, tensor in saved.state.flat.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{saved.path} holds numbers in '{key}' that are not finite; use another checkpoint")
    other_code = () if saved.identity.get("source") == own["source"] else (OTHER_CODE,)
    return other_code if saved.sealed else (*other_code, f"{saved.path} {UNSEALED}")
