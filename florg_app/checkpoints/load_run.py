"""A run's folder made live again: its settings, its model with adapters, and the state of its checkpoint in it."""

from dataclasses import dataclass
from pathlib import Path

import torch

from florg_app.assembly import Assembly, assemble
from florg_app.checkpoints import checkpoint_file
from florg_app.checkpoints.run_checkpoint import check_same_model, read_run_checkpoint
from florg_app.config.settings import Settings
from strategies.parametrisation import PARAMETRISATIONS
from strategies.state import State


@dataclass(frozen=True)
class LoadedRun:
    """What a run had at the end of a round."""

    settings: Settings
    assembly: Assembly
    """Its model holds `state`."""
    state: State
    round: int
    notes: tuple[str, ...]
    """What differs from the run without making its model another one."""

    @property
    def is_low_rank(self) -> bool:
        """Whether dW of every layer is a product of two factors, so that a LoRA adapter can hold it."""
        parametrisation = PARAMETRISATIONS[self.assembly.manifest.plan.adapter]
        groups = (group.name for group in self.assembly.manifest.groups)
        return all(parametrisation.low_rank(self.state[name], self.assembly.fixed[name]) for name in groups)


def load_run(run_dir: Path, device: torch.device) -> LoadedRun:
    """Take up the newest checkpoint of a run, in the model that it belongs to.

    Args:
        run_dir: the run's folder.
        device: where the model is put.

    Raises:
        ValueError: naming the file, where there is no usable checkpoint, the model cannot be loaded, or what the
            settings give today is not what the run had: other frozen weights, layers or bases. Other code only makes a
            note.
    """
    path = run_dir / checkpoint_file.CHECKPOINT_FILE
    if not path.is_file():
        raise ValueError(
            f"{run_dir} holds no {checkpoint_file.CHECKPOINT_FILE}; give the folder of a run that began its rounds"
        )
    saved = read_run_checkpoint(path)
    settings = saved.settings
    if not settings.method.plan.has_global_model:
        raise ValueError(
            f"{path} is of a run of {settings.strategy.name}, whose clients keep a part of the model to themselves; "
            "the server has no whole model to rebuild"
        )
    assembly = assemble(settings, device)
    notes = check_same_model(saved, assembly)
    assembly.load(saved.state, saved.round + 1)
    return LoadedRun(settings, assembly, saved.state, saved.round, notes)
