"""How a command of the terminal ends before its work is done."""

import sys
from typing import Any, NoReturn

import typer


def interrupt(*_: Any) -> NoReturn:
    """A signal handler: a batch system's SIGTERM ends a run in order, as Ctrl-C does."""
    raise KeyboardInterrupt


def refuse(message: str) -> NoReturn:
    """Say what is wrong with what the user asked for; exit status 2."""
    print(message, file=sys.stderr)
    raise typer.Exit(2)
