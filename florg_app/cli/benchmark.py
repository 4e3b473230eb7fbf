"""The command `florg benchmark`: a language model on tasks of lm-eval."""

import json
from pathlib import Path
from typing import Annotated

import typer

from florg_app.cli.asking import Learned, check_new_file
from florg_app.cli.results import Best, DeviceName, chosen_device, quiet_libraries
from florg_app.terminal import interruptible, refuse


def benchmark_command(
    learned: Learned,
    tasks: Annotated[str, typer.Option("--tasks", help="Tasks of lm-eval, with commas: hellaswag,arc_easy.")],
    limit: Annotated[int | None, typer.Option(min=1, help="So many rows of each task, to try.  [default: all]")] = None,
    include: Annotated[Path | None, typer.Option(help="Folder of tasks of your own, as lm-eval reads them.")] = None,
    output: Annotated[Path | None, typer.Option(help="New JSON file of the results.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Requests at a time.")] = 8,
    device: DeviceName = "auto",
    best: Best = False,
) -> None:
    """Score a run's language model, or an exported one, on benchmarks of lm-eval (the extra `benchmark`).

    Most of them fetch their rows from the hub. Exit status: 0 scored, 2 it cannot be.
    """
    quiet_libraries()
    names = [name.strip() for name in tasks.split(",") if name.strip()]
    try:
        check_new_file(output)
        if include is not None and not include.is_dir():
            refuse(f"--include {include}: it is no folder; give one with the YAML files of your tasks")
        from florg_app.commands.benchmark import benchmark_scores, benchmark_tasks, check_benchmark, scores_listed
        from florg_app.commands.learned_model import load_learned

        check_benchmark()
        manager = benchmark_tasks(names, include)
        found = load_learned(learned, chosen_device(device), best)
        with interruptible("nothing was written"):
            document = benchmark_scores(found, names, manager, limit, batch_size)
        if output is not None:
            output.write_text(json.dumps(document, indent=2, default=str) + "\n", encoding="utf-8")
    except (ValueError, OSError) as error:
        refuse(str(error))
    from rich.console import Console
    from rich.table import Table

    table = Table("task", "metric", "value", "standard error")
    for one in scores_listed(document["results"]):
        table.add_row(one.task, one.metric, f"{one.value:.4f}", "" if one.error is None else f"{one.error:.4f}")
    Console(highlight=False).print(table)
    if output is not None:
        print(f"wrote {output}")
