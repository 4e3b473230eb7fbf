"""A run's folder made live again: its settings, its model with adapters, and the state of its checkpoint in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from florg_app import checkpoint
from florg_app.assembly import Assembly, assemble
from florg_app.config import parse
from florg_app.settings import Settings
from strategies.manifest import State
from strategies.wire import ADVICE

_NEEDED = ("round", "settings", "identity")


@dataclass(frozen=True)
class Rebuilt:
    """What a run had at the end of a round."""

    settings: Settings
    assembly: Assembly
    """Its model holds `state`."""
    state: State
    round: int
    notes: tuple[str, ...]
    """What differs from the run without making its model another one."""


def rebuild(run_dir: Path, device: torch.device) -> Rebuilt:
    """The newest checkpoint of a run in the model that it belongs to, on `device`.

    Raises ValueError, naming the file, where there is no usable checkpoint, the model cannot be loaded, or what the
    settings give today is not what the run had: other frozen weights, layers or bases. Other code only makes a note.
    """
    path = run_dir / checkpoint.FILE
    if not path.is_file():
        raise ValueError(f"{run_dir} holds no {checkpoint.FILE}; give the folder of a run that began its rounds")
    state, metadata = checkpoint.load(path)
    if missing := [key for key in _NEEDED if key not in metadata]:
        raise ValueError(f"{path} does not say its {', '.join(missing)}; it was not written by a run")
    try:
        settings = parse(json.loads(metadata["settings"]))
    except ValueError as error:
        raise ValueError(f"{path} has settings that this version cannot use: {error}") from error
    if not settings.method.plan.has_global_model:
        raise ValueError(
            f"{path} is of a run of {settings.strategy.name}, whose clients keep a part of the model to themselves; "
            "the server has no whole model to rebuild"
        )
    assembly = assemble(settings, device)
    notes = _compare(path, json.loads(metadata["identity"]), assembly.identity)
    t = int(metadata["round"])
    assembly.load(state, t + 1)
    return Rebuilt(settings, assembly, state, t, notes)


def _compare(path: Path, saved: Mapping[str, str], own: Mapping[str, str]) -> tuple[str, ...]:
    """A note where only the code differs; raises ValueError where the model does."""
    for part in own:
        if part != "source" and saved.get(part) != own[part]:
            raise ValueError(
                f"{path} does not belong to the model that its settings give here: {part} was {saved.get(part)} and is "
                f"{own[part]}; {ADVICE[part]}"
            )
    if saved.get("source") == own["source"]:
        return ()
    return ("the run was made by another version of this code; model, layers and bases agree",)
