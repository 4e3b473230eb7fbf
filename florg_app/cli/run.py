"""The command `florg run`."""

from pathlib import Path
from typing import Annotated

import typer

from florg_app.api import DEFAULT_CLIENTS
from florg_app.folder_lock import FolderError
from florg_app.terminal import endure, interruptible, refuse

# Other modules of the application are imported where they are used: `florg --help` would wait seconds for torch.


def run_command(
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
    endure()
    with interruptible("the run has not begun"):
        from florg_app.engines import ahead, experiment, resumed
        from florg_app.engines.launch import Simulation

        look = (
            ahead.elsewhere()
            if connection
            else ahead.here(clients, DEFAULT_CLIENTS, threads_per_client, gpus_per_client)
        )
        try:
            prepared = experiment.prepare(
                app_dir,
                config or [],
                set_ or [],
                output,
                threads=threads_per_client,
                remote=connection is not None,
                look=look,
            )
            size = 0 if connection else resumed.num_clients(prepared.config, clients, DEFAULT_CLIENTS)
        except ValueError as error:
            refuse(str(error))
    simulation = Simulation(size, threads_per_client, gpus_per_client)
    say = (lambda text: None) if quiet else (lambda text: print(text, flush=True))
    with interruptible(f"what there is lies in {prepared.folder}"):
        try:
            if connection:
                status = experiment.run_remote(prepared, connection, say)
            else:
                engine = experiment.run_inline if inline else experiment.run_simulated
                status = engine(prepared, simulation, say)
        except FolderError as error:
            refuse(str(error))
    raise typer.Exit(status)
