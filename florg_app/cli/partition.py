"""The command `florg partition`: who has what, in a table and a picture."""

from pathlib import Path
from typing import Annotated

import typer

from florg_app.cli.completion import complete_setting
from florg_app.terminal import refuse


def partition_command(
    config: Annotated[list[Path] | None, typer.Option(help="TOML file of settings; later ones win.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE; wins over files.", autocompletion=complete_setting)
    ] = None,
    clients: Annotated[int, typer.Option(min=1, help="Clients among which the rows are divided.")] = 8,
    output: Annotated[Path, typer.Option(help="PNG to write.")] = Path("partition.png"),
    app_dir: Annotated[Path | None, typer.Option("--app", help="Folder of the app.  [default: found]")] = None,
) -> None:
    """Show how a run with these settings divides the rows among its clients, before anyone trains.

    No model is loaded. Exit status: 0 shown, 2 unusable settings or data.
    """
    from rich.console import Console

    from florg_app.config import runconfig
    from florg_app.config.parse import parse_settings
    from florg_app.data import partition_plot, partition_table

    try:
        chosen, _ = runconfig.gather_run_config(runconfig.find_app(app_dir or Path.cwd()), config or [], set_ or [])
        settings = parse_settings(chosen)
        found = partition_table.count_partitions(settings, clients)
        title = f"{settings.task.name}, {settings.partition.name}, {clients} clients, seed {settings.seed}"
        partition_plot.draw_partition(found, output, title)
    except ValueError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"the picture cannot be written: {error}; choose another --output")
    Console().print(partition_table.partition_table(found))
    print(f"picture: {output}")
