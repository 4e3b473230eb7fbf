"""A process that works on one task after the other and keeps what it has loaded; `Resident` starts it.

    python resident.py ADDRESS FD PARENT

Each line on the socket FD is a task's token. It answers "begun" and "done" to each. Flower's own function does the
work, so that heartbeats, a stopped run and errors are as in a process of Flower's; what differs is that the process
stays. It ends with its parent, with a stopped run, and after an error, from which it takes nothing along.
"""

import gc
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from flwr.supercore.app_utils import start_parent_process_monitor
from flwr.supercore.exit import exit_handler
from flwr.supernode.runtime import run_clientapp as flower

PRELOADED = ("numpy", "torch", "transformers", "safetensors.torch")
"""What clients import anyhow, before there is anything to do."""

SUCCESS = range(100)
"""Flower's exit codes of tasks that ended well."""


def _end_of_task(code: int, *_: Any, **__: Any) -> NoReturn:
    """In place of Flower's exit: the same last steps of a task, without the process's own end."""
    for first in (True, False):
        exit_handler.trigger_exit_handlers(run_before_force_exit=first)
    raise SystemExit(0 if code in SUCCESS else 1)


def work(address: str, token: str) -> int:
    """Work on one task; returns 0 where its client answered."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)}
    try:
        flower.run_clientapp(address, token, insecure=True, runtime_dependency_install=False)
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return 0


def main(address: str, descriptor: int, parent: int) -> int:
    """Work on tasks until the socket is closed; 1 after a task that failed."""
    start_parent_process_monitor(parent)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # between tasks a signal is the end, without a word
    setattr(flower, "flwr_exit", _end_of_task)  # noqa: B010  # what Flower's function calls last; not a signal's end
    for module in PRELOADED:
        with suppress(ImportError):
            import_module(module)
    with socket.socket(fileno=descriptor) as channel, channel.makefile("rw", encoding="utf-8") as lines:
        for line in lines:
            lines.write("begun\n")
            lines.flush()
            if status := work(address, line.strip()):
                return status
            gc.collect()
            lines.write("done\n")
            lines.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
