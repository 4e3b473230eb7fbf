"""The command `florg`: run an experiment, list the methods; show, score and export what a run made."""

import json
import re
import signal
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from florg_app.commands import data as cli_data
from florg_app.commands import deployment as cli_deployment
from florg_app.commands.terminal import interrupt, refuse
from florg_app.compare.command import compare

# Other modules of the application are imported where they are used: `florg --help` would wait seconds for torch.

app = typer.Typer(
    help="Federated low-rank fine-tuning with Flower: FLoRG and its baselines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(cli_deployment.certs)
app.command()(cli_deployment.doctor)

DEFAULT_CLIENTS = 8

RunDir = Annotated[Path, typer.Argument(help="Folder of a finished run.")]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]


@app.command()
def run(
    config: Annotated[list[Path] | None, typer.Option(help="TOML file of settings; later ones win.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE; wins over files.")] = None,
    clients: Annotated[
        int | None, typer.Option(min=1, help=f"Simulated clients.  [default: {DEFAULT_CLIENTS}]")
    ] = None,
    threads_per_client: Annotated[int, typer.Option(min=1, help="CPU cores and torch threads of a client.")] = 1,
    gpus_per_client: Annotated[float, typer.Option(min=0, help="Share of a GPU; 0.25 = 4 clients at a time.")] = 0.0,
    output: Annotated[Path | None, typer.Option(help="Folder of the results.  [default: runs/TIME-METHOD-ID]")] = None,
    app_dir: Annotated[Path | None, typer.Option("--app", help="Folder of the app.  [default: found]")] = None,
    inline: Annotated[bool, typer.Option("--inline", help="Server and clients in this process, without Ray.")] = False,
    connection: Annotated[str | None, typer.Option(help="Submit to this SuperLink of your Flower config.")] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say only how it ended and where the results are.")
    ] = False,
) -> None:
    """Run an experiment and wait for its end.

    Settings are the defaults of pyproject.toml, then --config files, then --set. Exit status: 0 completed, 1 failed,
    2 unusable settings, 130 stopped.
    """
    if connection and (inline or clients):
        refuse(f"--inline and --clients are for simulations; the federation behind {connection} has its own clients")
    signal.signal(signal.SIGTERM, interrupt)
    from florg_app.checkpoints import continued
    from florg_app.engines import experiment
    from florg_app.engines.launch import Simulation

    try:
        prepared = experiment.prepare(
            app_dir, config or [], set_ or [], output, threads=threads_per_client, remote=connection is not None
        )
        size = 0 if connection else continued.num_clients(prepared.config, clients, DEFAULT_CLIENTS)
    except ValueError as error:
        refuse(str(error))
    simulation = Simulation(size, threads_per_client, gpus_per_client)
    say = (lambda text: None) if quiet else (lambda text: print(text, flush=True))
    try:
        if connection:
            status = experiment.run_remote(prepared, connection, say)
        else:
            engine = experiment.run_inline if inline else experiment.run_simulated
            status = engine(prepared, simulation, say)
    except KeyboardInterrupt:
        print(f"interrupted; what there is lies in {prepared.folder}", file=sys.stderr)
        status = experiment.EXIT_STATUS["stopped"]
    raise typer.Exit(status)


app.command()(compare)
app.command()(cli_data.partition)


@app.command()
def methods(
    options: Annotated[bool, typer.Option("--options", help="Which options on uploads each takes instead.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Those as Markdown.")] = False,
) -> None:
    """List the methods with what they send and their own settings."""
    if options or markdown:
        _print_options(markdown)
        return
    from dataclasses import fields

    from rich.console import Console
    from rich.table import Table

    from strategies import METHODS

    table = Table("strategy.name", "adapter", "symbols", "weighting", "settings", "summary")
    for name, method in METHODS.items():
        plan = method().plan
        settings: Any = fields(method)  # pyright: ignore[reportArgumentType] - every method is a dataclass
        table.add_row(
            name,
            plan.adapter,
            "\n".join(f"{symbol} {role}" for symbol, role in plan.roles.items()),
            plan.weighting,
            "\n".join(f"{field.name.replace('_', '-')} = {json.dumps(field.default)}" for field in settings),
            method.summary,
        )
    Console().print(table)


def _print_options(as_markdown: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from florg_app.commands.options import HEADINGS, markdown, rows

    if as_markdown:
        print(markdown())
        return
    table = Table(*HEADINGS)
    for row in rows():
        table.add_row(*row)
    Console().print(table)


@app.command()
def show(run_dir: RunDir) -> None:
    """Print the results of a run again."""
    from florg_app.reports import summary
    from florg_app.reports.report import SUMMARY

    try:
        document = json.loads((run_dir / SUMMARY).read_text(encoding="utf-8"))
    except OSError as error:
        refuse(f"{run_dir} holds no finished run: {SUMMARY}: {error.strerror}")
    print(summary.table(document))
    for name, path in document["paths"].items():
        print(f"{name}: {path}")


@app.command()
def evaluate(run_dir: RunDir, device: DeviceName = "auto") -> None:
    """Score a run's newest checkpoint on the rows of its central evaluation."""
    from florg_app.checkpoints import continued
    from florg_app.checkpoints.rebuild import rebuild
    from florg_app.evaluate import central_rows, score

    try:
        run = rebuild(run_dir, _device(device))
        rows = central_rows(run.assembly.data, run.settings, lambda: continued.clients_of(run_dir))
        metrics = score(run.assembly, rows, run.settings)
    except ValueError as error:
        refuse(str(error))
    for note in run.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"round: {run.round}")
    for name, value in metrics.items():
        print(f"{name}: {value:.4f}")


@app.command()
def export(
    run_dir: RunDir,
    output: Annotated[Path | None, typer.Option(help="New folder.  [default: adapter or merged in RUN_DIR]")] = None,
    merged: Annotated[bool, typer.Option("--merged", help="A whole model instead of an adapter.")] = False,
    device: DeviceName = "cpu",
) -> None:
    """Write a run's newest checkpoint as a PEFT LoRA adapter, or as a whole model, and check it by loading it.

    Exit status: 0 written and checked, 1 what was written is not the run's model, 2 nothing can be written.
    """
    from transformers.utils import logging

    from florg_app.exports import export as exporter

    logging.set_verbosity_error()  # each load of a plain model would report the missing head as news
    logging.disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)  # peft's use of transformers, which is not the user's concern
    try:
        exporter.export(run_dir, output, merged, _device(device), print)
    except exporter.ExportError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from error
    except ValueError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"the folder cannot be written: {error}; choose another --output")


def _device(name: str) -> Any:
    """The torch.device of --device. Raises ValueError where there is none."""
    from clients.device import resolve_device

    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise ValueError(f"--device {name}: expected auto | cpu | cuda | cuda:N")
    return resolve_device(name, "--device")
