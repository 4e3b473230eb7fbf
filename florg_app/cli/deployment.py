"""The commands of `florg` for real deployments: keys for all machines, and what is wrong on this one."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from florg_app.doctor.finding import Finding
from florg_app.terminal import refuse

NEXT = """
Copy each folder whole to its machine, over a channel that you trust; {root}/ca stays with you, best offline.
  SuperLink: flower-superlink --host 0.0.0.0 --ssl-ca-certfile server/ca.crt --ssl-certfile server/server.crt \
--ssl-keyfile server/server.key --enable-supernode-auth --database state.db
  you, once for each client: flwr supernode register {root}/clients/NAME/client.pub CONNECTION --name NAME
  SuperNode: florg supernode --superlink HOST:8000 --root-certificates NAME/ca.crt \
--auth-supernode-private-key NAME/client.key --node-config '...'"""


def certs_command(
    folder: Annotated[Path, typer.Argument(help="New folder, or one to which clients are added.")],
    server_name: Annotated[
        list[str] | None, typer.Option(help="Host name or address of the SuperLink; repeat for several.")
    ] = None,
    clients: Annotated[str, typer.Option(help="Names with commas, or a number: 2 is client-0,client-1.")] = "",
    days: Annotated[int, typer.Option(min=1, max=3600, help="Validity of the server's certificate.")] = 825,
) -> None:
    """Make the certificates and keys of a federation; never overwrite one.

    Exit status: 0 made or already there, 2 nothing can be made.
    """
    from florg_app import certificates as maker

    try:
        folders = maker.make_certificates(folder, server_name or [], maker.client_names(clients), days)
    except (ValueError, OSError) as error:
        refuse(str(error))
    for made in folders:
        print(f"{'made' if made.new else 'kept'}  {folder / made.name}")
    print(NEXT.format(root=folder))


def supernode_command(context: typer.Context) -> None:
    """Run a SuperNode whose clients stay in memory between messages; all options are those of flower-supernode.

    Beside them --keep N (runs in memory at once, 1) and --keep-seconds S (without a message, 600). Exit status: that of
    the SuperNode.
    """
    from florg_app.warm.supernode import main

    raise typer.Exit(main(context.args))


def doctor_command(
    connection: Annotated[str | None, typer.Option(help="Also try this SuperLink of your Flower config.")] = None,
    config: Annotated[list[Path] | None, typer.Option(help="TOML file of settings; later ones win.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE; wins over files.")] = None,
    data_path: Annotated[Path | None, typer.Option(help="A client's own data, as in its node configuration.")] = None,
    validation_path: Annotated[Path | None, typer.Option(help="Its own validation rows, likewise.")] = None,
    app_dir: Annotated[Path | None, typer.Option("--app", help="Folder of the app.  [default: found]")] = None,
) -> None:
    """Say what would make a run fail on this machine, one check per line, and what to do about it.

    Exit status: 0 nothing, warnings at most; 1 problems; 2 there is no app.
    """
    from florg_app.doctor import packages

    if _say(packages.check_packages(packages.look_at_packages(), packages.installed_owners())):
        raise typer.Exit(1)  # the modules of the other checks may not be there

    from florg_app.config import runconfig
    from florg_app.doctor.examine import examine

    try:
        app = runconfig.find_app(app_dir or Path.cwd())
    except ValueError as error:
        refuse(str(error))
    problems = _say(examine(app, config or [], set_ or [], connection, data_path, validation_path))
    raise typer.Exit(1 if problems else 0)


def _say(findings: Iterable[Finding]) -> bool:
    """Print each finding as it is made; whether a problem is among them."""
    levels = set()
    for finding in findings:
        print(finding, flush=True)
        levels.add(finding.level)
    return "problem" in levels
