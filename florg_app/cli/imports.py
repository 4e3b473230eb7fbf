"""The command `florg import`: an experiment of another program as settings of this one."""

from pathlib import Path
from typing import Annotated

import typer

from florg_app.terminal import refuse


def import_command(
    file: Annotated[
        Path, typer.Argument(help="FlowerTune's pyproject.toml, NVFlare's llm_hf job, OpenFedLLM's script.")
    ],
    output: Annotated[Path, typer.Argument(help="New TOML file.")] = Path("imported.toml"),
    method: Annotated[
        str | None, typer.Option(help="A method of `florg methods`, where the file's own is not here.")
    ] = None,
) -> None:
    """Write another program's experiment as a TOML file for `florg run`, and say what of it has no counterpart.

    FlowerTune, NVFlare's llm_hf and OpenFedLLM are known. Exit status: 0 written, 2 it cannot be read or written.
    """
    from florg_app.commands.imports.reading import translated
    from florg_app.commands.imports.written import lost_in_words, settings_file

    if output.exists():
        refuse(f"{output} is there already, and nothing in it is changed; name another file")
    try:
        found = translated(file, method)
        output.write_text(settings_file(found, file), encoding="utf-8")
    except (ValueError, OSError) as error:
        refuse(str(error))
    print(f"wrote {output}: {len(found.settings)} settings, from {found.program}")
    if found.lost:
        print("\nwithout a counterpart:")
    for lost in found.lost:
        print(f"  {lost_in_words(lost)}")
    for note in found.notes:
        print(f"\n{note}")
    clients = f" --clients {found.clients}" if found.clients else ""
    print(f"\nflorg run --config {output}{clients}")
