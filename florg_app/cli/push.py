"""The command `florg push`: an exported folder to the hub, behind the user's own token."""

from pathlib import Path
from typing import Annotated

import typer

from florg_app.terminal import refuse


def push_command(
    folder: Annotated[Path, typer.Argument(help="Folder that `florg export` or `florg merge` wrote.")],
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repository of the hub, new or yours.")],
    public: Annotated[bool, typer.Option("--public/--private", help="Who sees it, where it is new.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
) -> None:
    """Send an exported model to a repository of the hub, which is private where it is new.

    The token is that of `hf auth login` or HF_TOKEN. Exit status: 0 sent, 2 it cannot be.
    """
    from florg_app.commands.hub_push import push_folder, push_plan

    try:
        plan = push_plan(folder)
        for name, size in plan.files:
            print(f"{size:>14,}  {name}")
        for note in plan.notes:
            print(f"note: {note}")
        if dry_run:
            print(
                f"nothing was sent; {len(plan.files)} files would go to {repository}, {_seen(public)} where it is new"
            )
            return
        print(f"sent: {push_folder(folder, repository, not public, print)}")
    except ValueError as error:
        refuse(str(error))


def _seen(public: bool) -> str:
    return "public" if public else "private"
