"""The grid of a simulation, which tells a dead process of the simulation from a client that failed."""

from collections.abc import Iterable
from typing import Any

from flwr.app import Message
from flwr.serverapp import Grid

from strategies.flower_internals import DEAD_ACTOR, is_simulated


class DeadActorError(RuntimeError):
    """A process in which simulated clients run is gone, and fails at once every client that Flower gives it."""


REMEDY = (
    "a process in which simulated clients run has died, as the kernel ends one when memory runs out; Flower starts no "
    "other one, and all that it would be given from now on would fail. Have fewer clients at work at a time (florg run "
    "--threads-per-client N: so many cores for each), or lower train.batch-size or task.max-length; then go on from "
    "the last checkpoint with resume-from"
)


def watched(grid: Grid) -> Grid:
    """Return a grid that ends the run where a process of the simulation has died; one of a deployment as it is.

    What a client of a deployment says of itself can thus end nothing.
    """
    return SimulatedGrid(grid) if is_simulated(grid) else grid


class SimulatedGrid(Grid):
    """A simulation's grid, whose replies are looked at."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """As the grid's own. Raises DeadActorError."""
        replies = list(self._grid.pull_messages(message_ids))
        for reply in replies:
            if reply.has_error() and DEAD_ACTOR in str(reply.error.reason):
                raise DeadActorError(REMEDY)
        return replies

    def set_run(self, run: Any) -> None:
        """As the grid's own."""
        self._grid.set_run(run)

    @property
    def run(self) -> Any:
        """As the grid's own."""
        return self._grid.run

    def create_message(self, *arguments: Any, **named: Any) -> Message:
        """As the grid's own."""
        return self._grid.create_message(*arguments, **named)

    def get_node_ids(self) -> Iterable[int]:
        """As the grid's own."""
        return self._grid.get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """As the grid's own."""
        return self._grid.push_messages(messages)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """As the grid's own."""
        return self._grid.send_and_receive(messages, timeout=timeout)
