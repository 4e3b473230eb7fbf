"""A language model of ours on the benchmarks of EleutherAI's lm-eval, which is an extra."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from florg_app.commands.learned_model import LearnedModel
from florg_app.tasks.instruct.task import Instruct


@dataclass(frozen=True)
class BenchmarkScore:
    """One number of one benchmark."""

    task: str
    metric: str
    """With its filter behind a comma where it has one: "exact_match,strict-match"."""
    value: float
    error: float | None
    """Standard error over the rows; None where there is none."""


def check_benchmark() -> None:
    """Raise ValueError where lm-eval is not installed."""
    if find_spec("lm_eval") is None:
        raise ValueError("florg benchmark needs lm-eval, which is not installed: pip install '.[benchmark]'")


def benchmark_tasks(names: Sequence[str], include: Path | None) -> Any:
    """The task manager of lm-eval, which knows its own tasks and those of `include`.

    Raises ValueError naming tasks that there are not.
    """
    from lm_eval.tasks import TaskManager  # pyright: ignore[reportMissingImports]

    manager = TaskManager(include_path=None if include is None else str(include))
    known = set(manager.all_tasks)
    if unknown := [name for name in names if name not in known]:
        raise ValueError(
            f"--tasks {','.join(unknown)}: lm-eval has no such task; `lm-eval ls tasks` lists them, and --include "
            "names a folder of your own"
        )
    return manager


def benchmark_scores(
    learned: LearnedModel, names: Sequence[str], manager: Any, limit: int | None, batch_size: int
) -> dict[str, Any]:
    """What lm-eval finds of a language model: its document of results.

    Raises ValueError where the model is none, or the rows of a task are not to be had.
    """
    from lm_eval import simple_evaluate  # pyright: ignore[reportMissingImports]
    from lm_eval.models.huggingface import HFLM  # pyright: ignore[reportMissingImports]

    if not isinstance(learned.task, Instruct):
        raise ValueError(
            f'task.name = "{learned.settings.task.name}": its model answers with {learned.task.answers_with}, and '
            "lm-eval asks language models; score it with `florg evaluate`"
        )
    model = HFLM(
        pretrained=learned.model,
        tokenizer=learned.preprocessor,
        batch_size=batch_size,
        max_length=None,
        device=str(learned.model.device),
    )
    try:
        found = simple_evaluate(
            model=model, tasks=list(names), limit=limit, task_manager=manager, log_samples=False, bootstrap_iters=1000
        )
    except (OSError, FileNotFoundError) as error:
        raise ValueError(f"the rows of {', '.join(names)} are not to be had: {error}") from error
    assert found is not None
    return {key: found[key] for key in ("results", "versions", "n-shot", "n-samples") if key in found}


def scores_listed(results: Mapping[str, Mapping[str, Any]]) -> list[BenchmarkScore]:
    """The numbers of a document of results, in its order."""
    listed = []
    for task, values in results.items():
        for name, value in values.items():
            metric, _, kind = name.partition(",")
            if metric.endswith("_stderr") or not isinstance(value, int | float) or "," not in name:
                continue
            error = values.get(f"{metric}_stderr,{kind}")
            shown = metric if kind == "none" else name
            listed.append(BenchmarkScore(task, shown, float(value), float(error) if isinstance(error, float) else None))
    return listed
