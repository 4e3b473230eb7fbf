"""Worker processes that serve one job after the other; the death of one costs the job that it served and no other."""

import os
import signal
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from typing import Generic, Protocol, TypeVar, runtime_checkable

from florg_app.compare.run import worker


@runtime_checkable
class Job(Protocol):
    """Anything that can be pickled."""

    @property
    def process(self) -> str:
        """Not empty; jobs of different values are never served by the same process."""
        ...


J = TypeVar("J", bound=Job)

TICK_SECONDS, WORKER_END_SECONDS = 0.5, 20.0


class _Worker(Generic[J]):
    """A process of its own, in an executor of its own: a dead process breaks its whole executor."""

    def __init__(self, work: Callable[[J], str], threads: int) -> None:
        self._work, self._threads = work, threads
        self._start()

    def _start(self) -> None:
        # spawn: a fork would inherit the threads and the CUDA state of this process.
        self._executor = ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=worker.begin, initargs=(self._threads,)
        )
        self._pid = self._executor.submit(os.getpid)
        self._served = ""

    def serve(self, job: J) -> "Future[str]":
        if self._served not in ("", job.process):
            self._renew()
        self._served = job.process
        try:
            return self._executor.submit(self._work, job)
        except BrokenProcessPool:  # it died of the job before, or since
            self._renew()
            return self._executor.submit(self._work, job)

    def _renew(self) -> None:
        """Go on in a new process."""
        self._executor.shutdown()
        self._start()

    def signal(self, number: int) -> None:
        """To a process that has begun; one that has not ends by itself."""
        with suppress(BrokenProcessPool, ProcessLookupError):
            if self._pid.done():
                os.kill(self._pid.result(), number)

    def leave(self, *, wait: bool) -> None:
        self._executor.shutdown(wait=wait, cancel_futures=True)


def serve_jobs(
    jobs: Iterable[J], work: Callable[[J], str], num_workers: int, threads: int, tick: Callable[[list[J]], None]
) -> Generator[tuple[J, str]]:
    """Yield each job and what went wrong in it ("" = nothing), in the order in which they end.

    `work` runs in one of `num_workers` processes; a job is taken from `jobs` when one is free. `tick` gets the jobs at
    work twice a second. Where the caller closes the iterator, the processes are told to end with SIGTERM, and killed
    after some seconds.
    """
    waiting = iter(jobs)
    workers: list[_Worker[J]] = []
    idle: list[_Worker[J]] = []
    running: dict[Future[str], tuple[_Worker[J], J]] = {}
    try:
        while True:
            while len(running) < num_workers and (job := next(waiting, None)) is not None:
                if not idle:
                    workers.append(_Worker(work, threads))
                chosen = idle.pop() if idle else workers[-1]
                running[chosen.serve(job)] = (chosen, job)
            if not running:
                return
            done, _ = wait(running, TICK_SECONDS, FIRST_COMPLETED)
            tick([job for future, (_, job) in running.items() if future not in done])
            for future in done:
                chosen, job = running.pop(future)
                idle.append(chosen)
                yield job, _problem(future)
    finally:
        _end(workers, list(running))


def _problem(future: "Future[str]") -> str:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BrokenProcessPool):
        return "its worker process died: killed, out of memory, or a crash in a library"
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _end(workers: Sequence[_Worker[J]], unfinished: Sequence["Future[str]"]) -> None:
    for each in workers:
        each.leave(wait=False)
    if unfinished:
        for each in workers:
            each.signal(signal.SIGTERM)
        _, stuck = wait(unfinished, WORKER_END_SECONDS)
        for each in workers if stuck else ():
            each.signal(signal.SIGKILL)
    for each in workers:
        each.leave(wait=True)
