"""The command `florg plan`: what a run would cost, before anyone rents a machine for it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from florg_app.api import DEFAULT_CLIENTS
from florg_app.cli.completion import complete_setting
from florg_app.terminal import refuse

# Other modules of the application are imported where they are used: `florg --help` would wait seconds for torch.


def plan_command(
    config: Annotated[list[Path] | None, typer.Option(help="TOML file of settings; later ones win.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE; wins over files.", autocompletion=complete_setting)
    ] = None,
    methods: Annotated[str, typer.Option(help="Names, separated by commas.  [default: all that suit]")] = "",
    clients: Annotated[int, typer.Option(min=1, help="Clients of the federation.")] = DEFAULT_CLIENTS,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds.  [default: num-server-rounds]")] = None,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Of each row, where neither rows nor tokenizer are to be read.")
    ] = None,
    examples: Annotated[
        int | None, typer.Option(min=1, help="Rows of each client; with --tokens.  [default: as the rows are divided]")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="PNG to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the table.")] = False,
    app_dir: Annotated[Path | None, typer.Option("--app", help="Folder of the app.  [default: found]")] = None,
) -> None:
    """Work out what a run with these settings would send, compute and hold, by each method.

    Of the model its configuration is read and no weights. Exit status: 0 shown, 2 unusable settings, method or model.
    """
    from rich.console import Console

    from florg_app.config import runconfig
    from florg_app.plan import plan_plot, plan_table, run_plan
    from florg_app.plan.workload import Described

    if examples and not tokens:
        refuse("--examples: is for rows that are not read; give their tokens as well, with --tokens")
    named = [name.strip() for name in methods.split(",") if name.strip()]
    try:
        app = runconfig.find_app(app_dir or Path.cwd())
        chosen, _ = runconfig.gather_run_config(app, config or [], set_ or [])
        described = Described(tokens, examples)
        plan = run_plan.plan_run(
            chosen | runconfig.absolute_paths(chosen, Path.cwd()), named, clients, rounds, described
        )
        if output:
            plan_plot.draw_plan(plan, output)
    except ValueError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"the picture cannot be written: {error}; choose another --output")
    if as_json:
        print(json.dumps(plan.as_dict(), indent=1))
        return
    console = Console()
    console.width = max(console.width, plan_table.COLUMNS)
    console.print(plan_table.plan_table(plan))
    console.print(plan_table.EXPLANATION, style="dim", highlight=False)
    for one in plan.plans:
        if one.sizes_depend_on_values:
            console.print(
                f"{one.method}: what travels is as wide as what clients learn needs; its figures are the least"
            )
    for name, reason in plan.impossible:
        console.print(f"{name} does not suit: {reason}", highlight=False, markup=False)
    if output:
        print(f"picture: {output}")
