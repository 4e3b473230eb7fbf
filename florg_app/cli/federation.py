"""The commands that make a federation from one file, and add a site to it: `florg up` and `florg invite`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from florg_app.terminal import refuse

if TYPE_CHECKING:
    from florg_app.federation.bundles import WrittenFile

FederationFile = Annotated[Path, typer.Argument(metavar="FEDERATION.TOML", help="Who takes part, and where.")]
FederationFolder = Annotated[
    Path | None,
    typer.Option("--output", help="Its folder, new or begun.  [default: the file's name without its ending]"),
]


def up_command(file: FederationFile, output: FederationFolder = None) -> None:
    """Make a federation's keys and, for each machine, a folder with what starts its part; never over what is there.

    Scripts, systemd, Slurm, compose and Kubernetes, with the commands to type. Exit status: 0 made or already there,
    2 nothing can be made.
    """
    from florg_app.federation.bundles import write_federation
    from florg_app.federation.description import read_federation

    folder = output or file.with_suffix("")
    try:
        federation = read_federation(file)
        _say(write_federation(federation, folder))
    except (ValueError, OSError) as error:
        refuse(str(error))
    print(f"\nwhat is typed where: {folder / 'README.md'}")


def invite_command(
    site: Annotated[str, typer.Argument(help="Name of the new site: lower-case letters, digits, hyphens.")],
    data_path: Annotated[str | None, typer.Option(help="Folder of its rows, on its machine.")] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="It has a GPU.")] = False,
    file: Annotated[Path, typer.Option(help="File of the federation, to which the site is added.")] = Path(
        "federation.toml"
    ),
    output: FederationFolder = None,
) -> None:
    """Add a site to a federation that `florg up` has made: its key and its folder, and nothing changes for the others.

    Exit status: 0 made, 2 it cannot be added.
    """
    from florg_app.federation.bundles import write_site
    from florg_app.federation.invitation import invited
    from florg_app.federation.readme import register_command

    folder = output or file.with_suffix("")
    try:
        federation, added, text = invited(file, site, data_path, gpu)
        _say(write_site(federation, added, folder))
        file.write_text(text, encoding="utf-8")
    except (ValueError, OSError) as error:
        refuse(str(error))
    print(f"\nadded to {file}. Copy {folder}/clients/{site} whole to the site, and let it in, from {folder}:\n")
    print(f"  {register_command(federation, added)}")


def _say(written: "Iterable[WrittenFile]") -> None:
    """What became of each file; those that are as they were are not mentioned."""
    for one in written:
        if one.state == "differs":
            print(f"kept  {one.name}, which is not what the file says now; remove it to have it made anew")
        elif one.state == "made":
            print(f"made  {one.name}")
