"""One cell in a worker process. Nothing heavy is imported above: a worker starts before it knows what it will run."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path

from florg_app.config.runconfig import RunConfig
from florg_app.terminal import interrupt

OUTPUT = "output.log"
"""What was printed during a cell."""

ORPHAN_SECONDS = 20.0


@dataclass(frozen=True, eq=False)
class CellJob:
    """What a worker is told about a cell."""

    app: Path
    config: RunConfig
    folder: Path
    engine: str
    clients: int
    threads: int
    gpus_per_client: float
    process: str
    """Jobs of different values are never served by the same process."""


def begin(threads: int) -> None:
    """The first thing that a worker does."""
    for number in (signal.SIGINT, signal.SIGHUP):  # they reach all processes of a terminal; the parent decides
        signal.signal(number, signal.SIG_IGN)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # before torch is imported
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed comparison leaves no workers behind, which would write where its successor does."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_SECONDS)
    os._exit(1)


def run_cell(job: CellJob) -> str:
    """Run a cell into its folder; returns what went wrong where the run itself may not have said so, or ""."""
    job.folder.mkdir(parents=True, exist_ok=True)
    with _output_to(job.folder / OUTPUT), _interruptible():
        from florg_app.engines import experiment
        from florg_app.engines.launch import Simulation

        prepared = experiment.settle(
            job.app, job.config, dict(job.config), job.folder, threads=job.threads, remote=False
        )
        engine = experiment.run_inline if job.engine == "inline" else experiment.run_simulated
        status = engine(prepared, Simulation(job.clients, job.threads, job.gpus_per_client), lambda _: None)
    return f"it ended with status {status}; see {job.folder / OUTPUT}" if status else ""


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Send what this process and libraries in it print to a file instead of the comparison's terminal."""
    _flush()
    saved = [(stream, os.dup(stream)) for stream in (1, 2)]
    with path.open("ab") as file:
        for stream, _ in saved:
            os.dup2(file.fileno(), stream)
    try:
        yield
    finally:
        _flush()
        for stream, copy in saved:
            os.dup2(copy, stream)
            os.close(copy)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends the run in order and not only the process, so that what it started ends with it."""
    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
