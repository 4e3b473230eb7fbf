"""The commands of `florg` for real deployments: keys for all machines, and what is wrong on this one."""

from pathlib import Path
from typing import Annotated

import typer

from florg_app.terminal import refuse

NEXT = """
Copy each folder whole to its machine, over a channel that you trust; {root}/ca stays with you, best offline.
  SuperLink: flower-superlink --host 0.0.0.0 --ssl-ca-certfile server/ca.crt --ssl-certfile server/server.crt \
--ssl-keyfile server/server.key --enable-supernode-auth --database state.db
  you, once for each client: flwr supernode register {root}/clients/NAME/client.pub CONNECTION --name NAME
  SuperNode: flower-supernode --superlink HOST:8000 --root-certificates NAME/ca.crt \
--auth-supernode-private-key NAME/client.key --node-config '...'"""


def certs(
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
    from florg_app import certs as maker

    try:
        folders = maker.make(folder, server_name or [], maker.client_names(clients), days)
    except (ValueError, OSError) as error:
        refuse(str(error))
    for made in folders:
        print(f"{'made' if made.new else 'kept'}  {folder / made.name}")
    print(NEXT.format(root=folder))
