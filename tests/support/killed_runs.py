"""`florg run` in processes that are killed: forks of this one, which has imported all, so that each begins at once."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from florg_app.checkpoints.file_names import checkpoints_of
from florg_app.reports.history import read_history
from tests.support.interrupted import FAST
from tests.support.repository import REPOSITORY

KINDS = {
    "florg": {"strategy.name": "florg"},
    "fedsa-lora": {"strategy.name": "fedsa-lora"},
    "kept moments": {"strategy.name": "florg", "train.optimizer-state": "keep"},
}
SETTINGS = {**FAST, "num-server-rounds": 5, "checkpoint.every": 2, "train.max-steps": 1, "evaluate.every": 3}

EFFECTS = ("replace", "link", "rename", "unlink", "fsync", "truncate")
"""Functions of `os` that change or settle what is on the disk."""


def assignments(settings: dict) -> list[str]:
    return [word for key, value in settings.items() for word in ("--set", f"{key}={json.dumps(value)}")]


def go_on(run: Path) -> list[str]:
    """What goes on with a run whose command was killed: resume it, or begin it again where it had no checkpoint."""
    return ["--set", f"resume-from={run}"] if run.is_dir() and checkpoints_of(run) else []


class Fork:
    """A process that runs `florg run --inline`; it kills itself before its `deadly`-th effect on the disk."""

    def __init__(self, run: Path, *arguments: str, deadly: int = 0) -> None:
        self.log = run.with_name(f"{run.name}.log")
        self.began = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(["run", "--inline", "--app", str(REPOSITORY), "--quiet", *arguments], deadly)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """The exit status; negative: the signal."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _run(self, arguments: list[str], deadly: int) -> None:
        status = 99
        try:
            with self.log.open("ab") as log:
                for stream in (1, 2):
                    os.dup2(log.fileno(), stream)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
            count_effects(deadly, self.log.with_suffix(".effects"))
            from florg_app.cli.main import app

            app(arguments)
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            sys.stdout.flush()
            os._exit(status)


def count_effects(deadly: int, counter: Path) -> None:
    """In a child: write the number of effects to a file, and be killed before one of them."""
    done = 0

    def counted(effect):
        def call(*arguments, **named):
            nonlocal done
            done += 1
            if done == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            counter.write_text(str(done))
            return effect(*arguments, **named)

        return call

    for name in EFFECTS:
        setattr(os, name, counted(getattr(os, name)))


def moments(seed: str, number: int) -> list[float]:
    """Fractions of a run's duration."""
    rng = random.Random(seed)
    return [rng.random() for _ in range(number)]


def measured(value):
    """A record without times and memory: all else of a history is the same however often it was cut."""
    if isinstance(value, dict):
        return {k: measured(v) for k, v in value.items() if "second" not in k and not k.startswith("peak")}
    return value


def history_of(run: Path) -> list:
    return [measured(record) for record in read_history(run)]
