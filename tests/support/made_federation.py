"""Federations of two hospitals as `florg up` makes them, and what their start scripts would start."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from florg_app.cli.main import app

TWO = """\
name = "hospitals"

[server]
names = ["superlink", "10.0.0.7"]

[[site]]
name = "clinic-a"
data-path = "/srv/rows"
gpu = true

[[site]]
name = "clinic-b"
data-path = "/srv/more rows"
port = 9095
"""


def florg(*arguments: object) -> Result:
    """Call the command."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def made(folder: Path, text: str = TWO) -> Path:
    """The folder that `florg up` makes of a file."""
    (folder / "federation.toml").write_text(text)
    result = florg("up", folder / "federation.toml")
    assert result.exit_code == 0, result.output
    return folder / "federation"


def printed_by(script: Path, folder: Path) -> tuple[Sequence[str], dict[str, str]]:
    """The words that a start script would start, its programs replaced by ones that print theirs."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for name in ("florg", "flower-superlink"):
        (programs / name).write_text('#!/usr/bin/env bash\nprintf \'%s\\n\' "${0##*/}" "$@"; env >&2\n')
        (programs / name).chmod(0o755)
    env = {"PATH": f"{programs}:/usr/bin:/bin"}
    done = subprocess.run(["bash", str(script)], env=env, cwd="/", capture_output=True, text=True, check=True)
    variables = dict(line.split("=", 1) for line in done.stderr.splitlines() if "=" in line)
    return done.stdout.splitlines(), variables
