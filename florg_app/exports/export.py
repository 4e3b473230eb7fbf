"""A finished run as a folder that other programs load: a PEFT LoRA adapter, or a plain model with dW merged into it."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedModel

from clients.atomic_files import folder_atomically
from clients.backbone import CPU
from clients.loading import from_pretrained
from clients.targets import head_modules
from florg_app.checkpoints.load_run import LoadedRun, load_run
from florg_app.exports.exported_settings import write_export_settings
from florg_app.exports.model_card import model_card
from florg_app.exports.peft_folder import layer_factors, rank_in_words, write_adapter
from florg_app.exports.plain_model import PlainModel, literal, plain_model
from florg_app.exports.probe import probe, probe_inputs
from florg_app.exports.serving import SERVERS, Serving, serving_of
from florg_app.pretrained import EMBEDDED, load_pretrained
from florg_app.reports.history import read_whole_history
from florg_app.reports.json_text import read_json_object
from florg_app.reports.report import SUMMARY
from florg_app.start_adapter import joined
from strategies.manifest import Manifest
from strategies.plan import Role
from strategies.state import HEAD

TOLERANCE = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
"""Of logits, relative to the largest or to 1, by the precision of the backbone."""


class ExportError(RuntimeError):
    """What was written is not the model that it should be."""


@dataclass(frozen=True)
class ExportFolder:
    """What was put into a folder and how it is loaded."""

    library: str
    what: str
    code: Callable[[str], str]
    """Python that loads the folder at a path."""
    load: Callable[[], nn.Module]
    """The same, for the check."""
    notes: tuple[str, ...] = ()
    """What a user should know of it, a sentence each."""


def export_run(
    run_dir: Path,
    output: Path | None,
    merged: bool,
    device: torch.device,
    say: Callable[[str], None],
    best: bool = False,
    server: str | None = None,
) -> None:
    """Write the adapter, or the merged model where that is wanted or dW is not low-rank, and check it by reloading.

    The folder (`output`, or adapter or merged in the run's own) appears complete or not at all. Raises ValueError where
    the run cannot be rebuilt, the folder exists or the backbone is quantised and should be merged; OSError where
    nothing can be written; ExportError where the folder gives other logits than the run's model, or `server` (one of
    SERVERS) would not load it.
    """
    run = load_run(run_dir, device, best)
    notes = run.notes + _notes(run.assembly.manifest)
    if run.assembly.has_adapter_beside and not merged:
        merged = True
        notes += ("The folder of the model holds an adapter, which who loads it gets too, so that all is merged.",)
    if not run.is_low_rank and not merged:
        merged = True
        notes += (f"The update of {run.settings.strategy.name} is not low-rank, so it is merged into the model.",)
    target = (output or run_dir / ("merged" if merged else "adapter")).absolute()
    base, preprocessor = run.assembly.adapted.model, run.assembly.preprocessor
    inputs = probe_inputs(run.assembly.task, preprocessor, base, base.device)
    ours = probe(base, inputs)
    with folder_atomically(target) as folder:
        written = _merged(run, folder) if merged else _adapter(run, folder, target)
        preprocessor.save_pretrained(folder)
        write_export_settings(folder, run.settings, run.assembly.task.label_names)
        difference = _check(ours, probe(written.load().to(device), inputs), run.settings.model.dtype)
        serving = _serving(run, folder, target, server)
        final, problems = _final_scores(run_dir) if not best else _scores_of(run_dir, run.round)
        notes += (*written.notes, *problems)
        card = model_card(run, written.library, written.what, written.code("."), _hub_name(run), notes, final)
        (folder / "README.md").write_text(card, encoding="utf-8")
    for note in notes:
        say(f"note: {note}")
    say(f"wrote {target}: {written.what}, after round {run.round}")
    size = ours.abs().max().item()
    say(f"checked: reloaded, its logits (up to {size:.3g}) differ from the run's by at most {difference:.1e}")
    say(f"load it with:\n\n{written.code(str(target))}\n")
    for name, found in serving.items():
        say(f"serve it with {name}:\n\n{found.command}\n" if not found.problems else f"{name}: {found.problems[0]}")


def _serving(run: LoadedRun, folder: Path, target: Path, server: str | None) -> dict[str, Serving]:
    """What servers make of a folder: of a language model all, of others the one that was asked for.

    Raises ExportError where that would not load it.
    """
    architecture, model = run.assembly.task.head.architecture, run.settings.model
    base = str(target / "base") if model.name == EMBEDDED else model.name
    asked = SERVERS if architecture == "causal-lm" else () if server is None else (server,)
    found = {name: serving_of(name, folder, str(target), architecture, base, model.dtype) for name in asked}
    if server is not None and found[server].problems:
        raise ExportError(
            f"the folder was removed again: {server} would not serve it: {' '.join(found[server].problems)}"
        )
    return found


def _final_scores(run_dir: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(the last evaluation that the run's summary has, what is wrong with the summary in words); empty without one."""
    try:
        final = read_json_object(run_dir / SUMMARY).get("final")
    except FileNotFoundError:
        return {}, ()
    except (OSError, ValueError) as error:
        return {}, (f"The run's summary cannot be read, and its scores are missing here: {error}",)
    return (final, ()) if isinstance(final, dict) else ({}, ())


def _scores_of(run_dir: Path, t: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(the evaluation of round t that the run's history has, what is wrong with that in words)."""
    try:
        found = [record for record in read_whole_history(run_dir) if record["round"] == t]
    except (OSError, ValueError) as error:
        return {}, (f"The run's history cannot be read, and its scores are missing here: {error}",)
    scores = {name: value for record in found for name, value in (record.get("evaluation") or {}).items()}
    return ({"round": t, **scores} if scores else {}), ()


def whole_modules(model: PreTrainedModel, further: Iterable[str]) -> dict[str, dict[str, Tensor]]:
    """The modules of the task head, and those that own the `further` weights: all their tensors, on the CPU."""
    modules = head_modules(model) | {name.rpartition(".")[0] for name in further}
    return {
        module: {name: tensor.cpu() for name, tensor in model.get_submodule(module).state_dict().items()}
        for module in sorted(modules)
    }


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


def _adapter(run: LoadedRun, folder: Path, target: Path) -> ExportFolder:
    manifest, model, task_head = run.assembly.manifest, run.assembly.adapted.model, run.assembly.task.head
    source = name = run.settings.model.name
    if name == EMBEDDED:  # no hub and no folder has it
        source, name = str(folder / "base"), str(target / "base")
        load_pretrained(run.settings.model, task_head, run.settings.seed, CPU).model.save_pretrained(source)
    trust = run.settings.model.trust_remote_code
    config = model.config if source != name else from_pretrained(AutoConfig, name, trust_remote_code=trust)
    plain = plain_model(task_head, config, model, run.settings.model)
    start, fixed = run.assembly.start, run.assembly.fixed
    factors = joined(layer_factors(manifest, run.state, fixed), start)
    wider = rank_in_words(manifest, run.state, fixed, factors, start.factors if start and start.merged else {})
    whole = whole_modules(model, run.assembly.drawn)
    write_adapter(folder, plain.load(source), factors, whole, name, task_head.kind)

    def code(path: str) -> str:
        lines = [
            "from peft import PeftModel",
            f"{plain.imports}\n",
            f"base = {plain.call(f'{path}/base' if source != name else name)}",
            f"model = PeftModel.from_pretrained(base, {literal(path)})",
        ]
        return "\n".join([*lines, plain.preprocessor(path)])

    rank = max(A_down.shape[0] for _, A_down in factors.values())
    what = f"LoRA adapter of rank {rank} on {len(factors)} layers{_also(model, run.assembly.drawn)}"
    load = lambda: PeftModel.from_pretrained(plain.load(source), str(folder))  # noqa: E731
    return ExportFolder("peft", what, code, load, (wider,) if wider else ())


def _also(model: PreTrainedModel, drawn: Collection[str]) -> str:
    """What an adapter holds beside its factors."""
    parts = [*(["the task head"] if head_modules(model) else []), *([f"{len(drawn)} further weights"] if drawn else [])]
    return f", with {' and '.join(parts)}" if parts else ""


def _merged(run: LoadedRun, folder: Path) -> ExportFolder:
    task = run.assembly.task
    with run.assembly.adapted.merged() as model:
        # Where the backbone was renamed to be loaded, transformers would rename it back, and no user could load it.
        renamed = "key_mapping" in task.head.options(model.config)
        model.save_pretrained(folder, save_original_format=not renamed)
    trust = {"trust_remote_code": True} if run.settings.model.trust_remote_code else {}
    config = AutoConfig.from_pretrained(folder, **trust)
    if task.label_names:
        config.id2label = dict(enumerate(task.label_names))
        config.label2id = {name: number for number, name in config.id2label.items()}
        config.save_pretrained(folder)
    plain = PlainModel(task.head, config, {"dtype": run.settings.model.dtype, **trust})

    def code(path: str) -> str:
        return "\n".join([f"{plain.imports}\n", f"model = {plain.call(path)}", plain.preprocessor(path)])

    return ExportFolder("transformers", "Whole model with the update merged", code, lambda: plain.load(str(folder)))


def _notes(manifest: Manifest) -> tuple[str, ...]:
    roles = {**manifest.plan.roles, HEAD: manifest.plan.head}
    own = [symbol for symbol, role in roles.items() if role is Role.REPORTED]
    return (f"Each client keeps its own {' and '.join(own)}; this is the mean of what they reported.",) if own else ()


def _hub_name(run: LoadedRun) -> str | None:
    name = run.settings.model.name
    return None if name == EMBEDDED or Path(name).exists() else name
