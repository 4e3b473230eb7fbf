"""Folders of runs that never ran, for tests of what is done with them: a random state in a tiny model's adapters."""

from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

from clients.seeding import scoped_seed
from florg_app.assembly import Assembly, assemble
from florg_app.checkpoints import checkpoint_file
from florg_app.checkpoints.run_checkpoint import run_metadata
from florg_app.config.flat import FlatConfig
from florg_app.config.parse import parse_settings
from florg_app.config.settings import Settings
from florg_app.exports.export import export_run
from florg_app.tasks.tiny import embedded
from strategies.exchange.lineage import Attempt, Lineage
from strategies.state import State
from tests.support.tiny_models import TARGETS, random_state, tiny_config

CPU = torch.device("cpu")
FAMILIES = {**TARGETS, "roberta": ("query", "value")}
METHOD_SETTINGS = {
    "haar": {"strategy.florg.zero-start": False},
    "signed-permutation": {"strategy.florg.basis": "signed-permutation", "strategy.florg.zero-start": False},
    "one-basis": {"strategy.florg.bases": "one", "strategy.florg.zero-start": False},
    "zero-start": {"strategy.florg.zero-start": True},
    "fedit": {"strategy.name": "fedit"},
    "federa": {"strategy.name": "federa"},
    "lora-xs": {"strategy.name": "lora-xs"},
    "ravan": {"strategy.name": "ravan", "strategy.ravan.heads": 2},
    "fedex-factored": {"strategy.name": "fedex-lora", "strategy.fedex-lora.residual": "factored"},
}


def plain_model(folder: Path, family: str) -> Path:
    """A pretrained model as people have it: a folder with weights and a tokenizer."""
    tokenizer = embedded.load_embedded_tokenizer()
    config = tiny_config(family, num_labels=2)
    config.vocab_size = max(config.vocab_size, len(tokenizer))
    with scoped_seed(0):
        AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def finished(folder: Path, family: str = "bert", **changes) -> tuple[Path, Assembly]:
    """The folder of a run that ended after round 3 with a random state, and the parts that it had."""
    model = str(plain_model(folder / "model", family))
    keys = {"model.name": model, "adapter.targets": ",".join(FAMILIES[family]), "adapter.rank": 3, **changes}
    return saved(folder, keys)


def saved(folder: Path, keys: FlatConfig) -> tuple[Path, Assembly]:
    """The same with any settings."""
    settings = parse_settings(keys)
    assembly = assemble(settings, CPU)
    save_run(folder / "run", settings, assembly, random_state(assembly.adapted, 1), 3)
    return folder / "run", assembly


def save_run(folder: Path, settings: Settings, assembly: Assembly, state: State, t: int) -> None:
    """The folder of a run whose state this is after round t."""
    header = run_metadata(assembly, settings, t, Lineage("run", (Attempt("first"),)), {}, 12.5)
    folder.mkdir(parents=True)
    checkpoint_file.save_checkpoint(folder / checkpoint_file.CHECKPOINT_FILE, state, header)


def said_by_export(run: Path, output: Path | None = None, merged: bool = False) -> str:
    lines: list[str] = []
    export_run(run, output, merged, CPU, lines.append)
    return "\n".join(lines)
