"""A finished run as a folder that other programs load: a PEFT LoRA adapter, or a plain model with dW merged into it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from clients.files import folder_atomically
from clients.targets import find_head
from florg_app.assembly import Assembly
from florg_app.model_card import model_card
from florg_app.models import EMBEDDED, load_pretrained
from florg_app.peft_folder import layer_factors, write_adapter
from florg_app.rebuild import Rebuilt, rebuild
from florg_app.report import SUMMARY
from strategies.manifest import Manifest
from strategies.method import HEAD, Role
from strategies.parametrisation import PARAMETRISATIONS
from strategies.rng import generator

TOLERANCE = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
"""Of logits, relative to the largest or to 1, by the precision of the backbone."""

NUM_PROBES, LONGEST_PROBE = 8, 16
"""Rows of random tokens on which a written folder is compared with the model it was written from."""


class ExportError(RuntimeError):
    """What was written is not the model that it should be."""


@dataclass(frozen=True)
class Folder:
    """What was put into a folder and how it is loaded."""

    library: str
    what: str
    code: Callable[[str], str]
    """Python that loads the folder at a path."""
    load: Callable[[], nn.Module]
    """The same, for the check."""


def export(run_dir: Path, output: Path | None, merged: bool, device: torch.device, say: Callable[[str], None]) -> None:
    """Write the adapter, or the merged model where that is wanted or dW is not low-rank, and check it by reloading.

    The folder (`output`, or adapter or merged in the run's own) appears complete or not at all. Raises ValueError where
    the run cannot be rebuilt, the folder exists or the backbone is quantised and should be merged; OSError where
    nothing can be written; ExportError where the folder gives other logits than the run's model.
    """
    run = rebuild(run_dir, device)
    notes = run.notes + _notes(run.assembly.manifest)
    if not PARAMETRISATIONS[run.assembly.manifest.plan.adapter].low_rank and not merged:
        merged = True
        notes += (f"The update of {run.settings.strategy.name} is not low-rank, so it is merged into the model.",)
    target = (output or run_dir / ("merged" if merged else "adapter")).absolute()
    ours = probe(run.assembly, run.assembly.adapted.model)
    with folder_atomically(target) as folder:
        written = _merged(run, folder) if merged else _adapter(run, folder, target)
        run.assembly.tokenizer.save_pretrained(folder)
        difference = _check(ours, probe(run.assembly, written.load().to(device)), run.settings.model.dtype)
        summary = run_dir / SUMMARY
        text = summary.read_text(encoding="utf-8") if summary.is_file() else None
        card = model_card(run, written.library, written.what, written.code("."), _hub_name(run), notes, text)
        (folder / "README.md").write_text(card, encoding="utf-8")
    for note in notes:
        say(f"note: {note}")
    say(f"wrote {target}: {written.what}, after round {run.round}")
    size = ours.abs().max().item()
    say(f"checked: reloaded, its logits (up to {size:.3g}) differ from the run's by at most {difference:.1e}")
    say(f"load it with:\n\n{written.code(str(target))}\n")


def head_tensors(model: PreTrainedModel) -> dict[str, Tensor]:
    """All tensors of the task head's modules by name, buffers too, on the CPU."""
    modules = {name.partition(".")[0] for name in find_head(model)}
    state = model.state_dict()
    return {name: tensor.cpu() for name, tensor in state.items() if name.partition(".")[0] in modules}


@torch.inference_mode()
def probe(assembly: Assembly, model: nn.Module) -> Tensor:
    """What the task predicts for NUM_PROBES rows of random tokens of different lengths, the same for every model."""
    special = set(assembly.tokenizer.all_special_ids)
    known = min(len(assembly.tokenizer), assembly.adapted.model.config.vocab_size)
    words = [token for token in range(known) if token not in special]
    rng = generator(0, "export-probe")
    rows = [rng.choice(words, length).tolist() for length in rng.integers(4, LONGEST_PROBE + 1, NUM_PROBES)]
    batch = assembly.collate([{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows])
    batch = {name: tensor.to(assembly.adapted.model.device) for name, tensor in batch.items()}
    return assembly.task.predict(model.eval(), batch).float().cpu()


def _check(ours: Tensor, theirs: Tensor, dtype: str) -> float:
    """The largest absolute difference; raises ExportError where rounding cannot explain it."""
    difference = (ours - theirs).abs().max().item()
    allowed = TOLERANCE[dtype] * max(1.0, ours.abs().max().item())
    if not difference <= allowed:
        raise ExportError(
            f"the folder was removed again: reloaded, its logits differ from the run's by {difference:.1e}, where "
            f"rounding explains {allowed:.1e}; please report the model and the versions of peft and transformers"
        )
    return difference


def _adapter(run: Rebuilt, folder: Path, target: Path) -> Folder:
    manifest, model = run.assembly.manifest, run.assembly.adapted.model
    source = name = run.settings.model.name
    if name == EMBEDDED:  # no hub and no folder has it
        source, name = str(folder / "base"), str(target / "base")
        plain = load_pretrained(run.settings.model, len(run.assembly.task.label_names), run.settings.seed)
        plain.model.save_pretrained(source)
    options = _options(model, run.settings.model.dtype)
    factors = layer_factors(manifest, run.state, run.assembly.fixed)
    head = head_tensors(model)
    write_adapter(folder, _plain(source, options), factors, head, name)

    def code(path: str) -> str:
        base = f"{path}/base" if source != name else name
        return "\n".join(
            [
                "from peft import PeftModel",
                "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n",
                f"base = {_call(base, options)}",
                f"model = PeftModel.from_pretrained(base, {_literal(path)})",
                f"tokenizer = AutoTokenizer.from_pretrained({_literal(path)})",
            ]
        )

    rank = max(A_down.shape[0] for _, A_down in factors.values())
    what = f"LoRA adapter of rank {rank} on {len(factors)} layers, with the classifier head"
    return Folder("peft", what, code, lambda: PeftModel.from_pretrained(_plain(source, options), str(folder)))


def _merged(run: Rebuilt, folder: Path) -> Folder:
    with run.assembly.adapted.merged() as model:
        model.save_pretrained(folder)
    config = AutoConfig.from_pretrained(folder)
    config.id2label = dict(enumerate(run.assembly.task.label_names))
    config.label2id = {name: number for number, name in config.id2label.items()}
    config.save_pretrained(folder)
    options = {"dtype": run.settings.model.dtype}

    def code(path: str) -> str:
        return "\n".join(
            [
                "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n",
                f"model = {_call(path, options)}",
                f"tokenizer = AutoTokenizer.from_pretrained({_literal(path)})",
            ]
        )

    return Folder("transformers", "Whole model with the update merged", code, lambda: _plain(str(folder), options))


def _options(model: PreTrainedModel, dtype: str) -> dict[str, Any]:
    """What makes a user's plain model ours: classes, padding, precision; a head of other classes is replaced."""
    padding = {} if model.config.pad_token_id is None else {"pad_token_id": model.config.pad_token_id}
    return {"num_labels": model.config.num_labels, **padding, "dtype": dtype, "ignore_mismatched_sizes": True}


def _plain(source: str, options: Mapping[str, Any]) -> PreTrainedModel:
    return AutoModelForSequenceClassification.from_pretrained(source, **options)


def _call(source: str, options: Mapping[str, Any]) -> str:
    """`_plain` as a user writes it."""
    arguments = "".join(f", {name}={_literal(value)}" for name, value in options.items())
    return f"AutoModelForSequenceClassification.from_pretrained({_literal(source)}{arguments})"


def _literal(value: object) -> str:
    """The value in Python, texts in the quotation marks of our style."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _notes(manifest: Manifest) -> tuple[str, ...]:
    roles = {**manifest.plan.roles, HEAD: manifest.plan.head}
    own = [symbol for symbol, role in roles.items() if role is Role.REPORTED]
    return (f"Each client keeps its own {' and '.join(own)}; this is the mean of what they reported.",) if own else ()


def _hub_name(run: Rebuilt) -> str | None:
    name = run.settings.model.name
    return None if name == EMBEDDED or Path(name).exists() else name
