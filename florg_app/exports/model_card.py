"""README.md of an exported folder: what the run's own files say, and nothing else."""

from collections.abc import Mapping
from typing import Any

from florg_app.checkpoints.load_run import LoadedRun
from florg_app.config.flat import to_toml
from florg_app.config.parse import flatten_settings
from florg_app.exports.exported_settings import MACHINE_PLACES
from strategies.exchange.foreign_text import LONGEST_NAME, safe_text


def model_card(
    run: LoadedRun,
    library: str,
    what: str,
    code: str,
    base: str | None,
    notes: tuple[str, ...],
    final: Mapping[str, Any],
) -> str:
    """The text of README.md.

    library: "peft" or "transformers"; code: how to load the folder, from within it; base: the model's name on the hub,
    None where it is not from there; final: the last evaluation of the run's summary, empty where there is none.
    """
    settings, task = run.settings, run.assembly.task
    front = [f"library_name: {library}", *([f"base_model: {base}"] if base else [])]
    front += [f"pipeline_tag: {task.head.kind.pipeline}", "tags: [federated-learning, flower, lora]"]
    classes = ", ".join(f"{number} = {safe_text(name, LONGEST_NAME)}" for number, name in enumerate(task.label_names))
    configuration = [
        f"{key} = {to_toml(value)}" for key, value in flatten_settings(settings).items() if key not in MACHINE_PLACES
    ]
    sections = [
        "\n".join(["---", *front, "---"]),
        f"# {settings.model.name}, fine-tuned with {settings.strategy.name} on {settings.task.name}",
        f"{what}, after round {run.round} of {settings.num_server_rounds} of federated fine-tuning.",
        f"Method: {settings.method.summary}.",
        *([f"Classes: {classes}."] if classes else []),
        *notes,
        f"## Use\n\nIn this folder:\n\n```python\n{code}\n```",
        *_metrics(final),
        "## Settings\n\n```toml\n" + "\n".join(configuration) + "\n```",
    ]
    return "\n\n".join(sections) + "\n"


def _metrics(final: Mapping[str, Any]) -> list[str]:
    """The last central evaluation as a section; none where there was none."""
    rows = [f"| {safe_text(name, LONGEST_NAME)} | {value} |" for name, value in final.items() if name != "round"]
    if not rows:
        return []
    head = f"## Results\n\nOn the validation rows of the task, after round {final.get('round', '-')}:"
    return ["\n".join([head, "", "| metric | value |", "|---|---|", *rows])]
