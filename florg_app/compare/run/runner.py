"""Runs what a matrix still lacks: the tuning, then the reported cells, then one measured round of each method."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from florg_app.compare.matrix.cells import CellSpec
from florg_app.compare.run import disk, pool, worker
from florg_app.compare.run.progress import Progress
from florg_app.compare.run.status import MatrixStatus
from florg_app.engines.experiment import offline

Work = Callable[[worker.CellJob], str]


@dataclass(frozen=True)
class RunOptions:
    """How cells are run, which decides nothing of what they compute."""

    app: Path
    jobs: int = 1
    gpus_per_client: float = 0.0
    retry_failed: bool = False
    quiet: bool = False

    @property
    def threads(self) -> int:
        """torch threads of a worker."""
        return max(1, (os.cpu_count() or 1) // self.jobs)


def run_matrix(standing: MatrixStatus, how: RunOptions, work: Work = worker.run_cell) -> None:
    """Run all cells that are missing.

    matrix.json is current after every cell, also where this is interrupted. Raises BusyError where another comparison
    is at work in the folder.
    """
    with disk.locked(standing.folder) as unlocked:
        progress = Progress(standing.matrix.metric, Console(file=sys.stdout, quiet=how.quiet))
        if unlocked:
            progress.say(unlocked)
        progress.say(f"{standing.matrix.name}: {(counted := _expect(progress, standing, how))}")
        try:
            with progress.shown():
                tuning = _tune(standing, how, work, progress)
                if tuning and (recounted := _expect(progress, standing, how, tuning)) != counted:
                    progress.say(f"tuned: {recounted}")
                _serve(standing.reported(), standing, how, work, progress)
                _serve(standing.costs(), standing, how, work, progress)
        finally:
            standing.write()


def _tune(standing: MatrixStatus, how: RunOptions, work: Work, progress: Progress) -> list[CellSpec]:
    """Run what scores points until all are scored, each search by TPE one trial further each time; the cells of all."""
    served: set[Path] = set()
    while cells := [cell for cell in standing.tuning() if cell.folder not in served]:
        _serve(cells, standing, how, work, progress)
        served |= {cell.folder for cell in cells}
        standing.settle_tuning()
    return standing.tuning()


def _serve(cells: Sequence[CellSpec], standing: MatrixStatus, how: RunOptions, work: Work, progress: Progress) -> None:
    """Run those of the cells that are to be run."""
    standing.write()
    started: dict[worker.CellJob, tuple[CellSpec, float]] = {}

    def jobs() -> Iterator[worker.CellJob]:
        for cell in cells:
            if _to_run(cell, standing, how):
                job = _job(cell, standing, how)
                disk.move_aside(job.folder)
                started[job] = (cell, time.monotonic())
                yield job

    def tick(running: Sequence[worker.CellJob]) -> None:
        progress.running([(started[job][0], job.folder) for job in running])

    with closing(pool.serve_jobs(jobs(), work, how.jobs, how.threads, tick)) as ended:
        for job, problem in ended:
            cell, start = started[job]
            if problem and standing.look(cell).status == "missing":
                disk.record_failure(job.folder, problem)
            progress.ended(cell, job.folder, standing.look(cell), time.monotonic() - start)
            standing.write()


def _to_run(cell: CellSpec, standing: MatrixStatus, how: RunOptions) -> bool:
    status = standing.state(cell).status
    return status == "missing" or (status == "failed" and how.retry_failed)


def _job(cell: CellSpec, standing: MatrixStatus, how: RunOptions) -> worker.CellJob:
    return worker.CellJob(
        app=how.app,
        config=cell.config,
        folder=standing.folder / cell.folder,
        engine=standing.matrix.engine,
        clients=cell.clients,
        threads=how.threads,
        gpus_per_client=how.gpus_per_client,
        process=_process(cell),
    )


def _process(cell: CellSpec) -> str:
    """Which cells may follow each other in one process."""
    if cell.kind == "costs":
        return str(cell.folder)  # the peak of a process's memory is that of all it has done
    return "offline" if offline(cell.config) else "online"  # the libraries of the hub ask once, when they are imported


def _expect(progress: Progress, standing: MatrixStatus, how: RunOptions, over: Sequence[CellSpec] = ()) -> str:
    """Count what is to be run, `over` having had its turn, and put it in words."""
    cells, ended = standing.everything(), {cell.folder for cell in over}
    rounds, failed = [], 0
    for cell in cells:
        if cell.folder not in ended and _to_run(cell, standing, how):
            rounds.append(cell.rounds + 1)
        else:
            failed += standing.state(cell).status == "failed"
    done = len(cells) - len(rounds) - failed
    progress.expect(len(cells), done, failed, sum(rounds))
    return f"{len(cells)} cells, {done} done, {failed} failed, {len(rounds)} to run"
