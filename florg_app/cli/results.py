"""The commands on what a run made: `florg show`, `florg evaluate`, `florg export`, `florg merge`."""

import re
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from florg_app.terminal import refuse

# Other modules of the application are imported where they are used: `florg --help` would wait seconds for torch.

RunDir = Annotated[Path, typer.Argument(help="Folder of a finished run.")]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]


Best = Annotated[bool, typer.Option("--best", help="The best round, by checkpoint.best, instead of the newest.")]


def show_command(run_dir: RunDir) -> None:
    """Print the results of a run again."""
    from florg_app.reports import summary
    from florg_app.reports.json_text import read_json_object
    from florg_app.reports.report import SUMMARY

    try:
        document = read_json_object(run_dir / SUMMARY)
        lines = [summary.summary_table(document), *(f"{name}: {path}" for name, path in document["paths"].items())]
    except OSError as error:
        refuse(f"{run_dir} holds no finished run: {SUMMARY}: {error.strerror}")
    except ValueError as error:
        refuse(str(error))
    except (LookupError, TypeError, AttributeError) as error:
        refuse(f"{run_dir / SUMMARY} is damaged: {type(error).__name__}: {error}")
    print("\n".join(lines))


def evaluate_command(run_dir: RunDir, device: DeviceName = "auto", best: Best = False) -> None:
    """Score a run's newest checkpoint, or its best, on the rows of its central evaluation."""
    from florg_app.assembly import central_rows, score_model
    from florg_app.checkpoints.load_run import load_run
    from florg_app.engines import resumed

    try:
        run = load_run(run_dir, chosen_device(device), best)
        rows = central_rows(run.assembly.data, run.settings, lambda: resumed.clients_of(run_dir))
        metrics = score_model(run.assembly, rows, run.settings)
    except ValueError as error:
        refuse(str(error))
    for note in run.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"round: {run.round}")
    for name, value in metrics.items():
        print(f"{name}: {value:.4f}")


def export_command(
    run_dir: RunDir,
    output: Annotated[Path | None, typer.Option(help="New folder.  [default: adapter or merged in RUN_DIR]")] = None,
    merged: Annotated[bool, typer.Option("--merged", help="A whole model instead of an adapter.")] = False,
    device: DeviceName = "cpu",
    best: Best = False,
    check_for: Annotated[
        str | None, typer.Option("--check-for", help="vllm | tgi: write only what this server would load.")
    ] = None,
) -> None:
    """Write a run's newest or best checkpoint as a PEFT LoRA adapter, or as a whole model, and check it by loading it.

    Exit status: 0 written and checked, 1 what was written is not the run's model, 2 nothing can be written.
    """
    _export(run_dir, output, merged, device, best, check_for)


def merge_command(
    run_dir: RunDir,
    output: Annotated[Path, typer.Argument(help="New folder of the model.")],
    device: DeviceName = "cpu",
    best: Best = False,
) -> None:
    """Write a run's newest or best model as a whole one that transformers loads, and check it by loading it.

    The same as `florg export --merged`. Exit status: 0 written and checked, 1 what was written is not the run's model,
    2 nothing can be written.
    """
    _export(run_dir, output, True, device, best)


def _export(
    run_dir: Path, output: Path | None, merged: bool, device: str, best: bool, server: str | None = None
) -> None:
    from florg_app.exports import export as exporter
    from florg_app.exports.serving import SERVERS

    if server not in (None, *SERVERS):
        refuse(f"--check-for {server}: expected {' | '.join(SERVERS)}")

    quiet_libraries()
    try:
        exporter.export_run(run_dir, output, merged, chosen_device(device), print, best, server)
    except exporter.ExportError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from error
    except ValueError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"the folder cannot be written: {error}; choose another")


def quiet_libraries() -> None:
    """Keep what other libraries say while they load models from the terminal."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # each load of a plain model would report the missing head as news
    logging.disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)  # peft's use of transformers, which is not the user's concern


def chosen_device(name: str) -> Any:
    """The torch.device of --device. Raises ValueError where there is none."""
    from clients.device import resolve_device

    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise ValueError(f"--device {name}: expected auto | cpu | cuda | cuda:N")
    return resolve_device(name, "--device")
