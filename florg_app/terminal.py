"""How a command of the terminal meets its end: told by a signal, refused, or with nobody left to read what it says."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import IO, Any, NoReturn

import typer

INTERRUPTED = 130
"""Exit status of a command that was told to stop."""


def interrupt(*_: Any) -> NoReturn:
    """A signal handler: a batch system's SIGTERM ends a run in order, as Ctrl-C does."""
    raise KeyboardInterrupt


def refuse(message: str) -> NoReturn:
    """Say what is wrong with what the user asked for; exit status 2."""
    print(message, file=sys.stderr)
    raise typer.Exit(2)


def endure() -> None:
    """Make this process one that works for hours: signals interrupt it in order, and it does not need to be heard.

    SIGTERM and SIGHUP (the terminal was closed) raise KeyboardInterrupt as Ctrl-C does, but where whoever started this
    process ignores them, as nohup does. Where a reader of its output goes away, it goes on in silence.
    """
    for number, handler in {signal.SIGTERM: interrupt, signal.SIGHUP: _hang_up}.items():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
    sys.stdout, sys.stderr = _Unheard(sys.stdout), _Unheard(sys.stderr)  # type: ignore[assignment]  # all that is used


def _hang_up(*_: Any) -> NoReturn:
    """Shell and kernel both tell of the end of a terminal; the second word must not break off the orderly end."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextlib.contextmanager
def interruptible(outcome: str) -> Iterator[None]:
    """Where the block is interrupted, say so and what has come of it, and exit with INTERRUPTED."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"interrupted; {outcome}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


class _Unheard:
    """A text stream that does not mind that nobody reads it any more."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._unbroken():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._unbroken():
            self._stream.flush()

    @contextlib.contextmanager
    def _unbroken(self) -> Iterator[None]:
        try:
            yield
        except OSError:  # a closed pipe, a terminal that is gone, a full disk behind a redirection
            with contextlib.suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
