"""All that this application uses of Flower beside its public packages, in one place for the day when it changes.

Public are `flwr.app`, `flwr.clientapp` and `flwr.serverapp` with its modules `strategy` and `exception`. A test holds
every file to them but this one, tests/support/flower_internals.py, which has what only tests need, and those of
florg_app/warm/ (`florg supernode`), which must import nothing of the project; another checks
what is assumed here. Tried with flwr 1.41 and 1.42, between which none of it changed.

For 1.43, whose release notes name what follows and which could not be installed yet:

- Fleet and Control speak HTTP only, and what is left of gRPC moves to `flwr.compat`. Nothing here uses gRPC, and the
  commands in florg_app/engines/superlink.py, docker/ and docs/ are those of the HTTP ports, without the options that
  1.43 no longer heeds.
- `Strategy.start` takes `should_stop(server_round, result)`. `FederatedAdapters` inherits `start` as it is, and so the
  argument; its own `run` ends by AggregationError after `max_skipped` rounds and needs nothing.
- The names imported below are Flower's to move: look here first.
- `strategies/server/bounded_arrays.py` stands in for `flwr.app.Array.inflate` while a reply is pulled: public by its
  name, but Flower's to change. The test of a chunk that is named without end notices.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from logging import Logger, getLogger
from pathlib import Path
from typing import Any

import flwr.common.logger  # makes the console handler of Flower's logger
from flwr.app import Error, Message
from flwr.cli.flower_config import parse_superlink_connection
from flwr.common.constant import ErrorCode
from flwr.common.secure_aggregation.crypto.shamir import combine_shares, create_shares
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity
from flwr.supercore.utils import get_flwr_home

__all__ = [
    "DEAD_ACTOR",
    "SERVER_NODE",
    "SIMULATED_GRID",
    "Connection",
    "assign_message_id",
    "client_error",
    "combine_shares",
    "create_shares",
    "flower_home",
    "flower_logger",
    "is_simulated",
    "parse_connection",
    "task_identity",
]

SERVER_NODE = 1
"""The node id of a ServerApp that runs in this process."""

SIMULATED_GRID = "InMemoryGrid"
"""The class of a simulation's grid, in flwr.superlink.grid.inmemory_grid."""

DEAD_ACTOR = "ray.exceptions.ActorDiedError"
"""What stands in the reason of an error that Flower's simulation makes of the death of a process of its own."""


@contextmanager
def task_identity() -> Iterator[None]:
    """Give this process the identity that Flower's Message needs outside a Flower task."""
    previous = TaskIdentity._task_id, TaskIdentity._run_id, TaskIdentity._node_id
    TaskIdentity._task_id, TaskIdentity._run_id, TaskIdentity._node_id = 1, 1, SERVER_NODE
    try:
        yield
    finally:
        TaskIdentity._task_id, TaskIdentity._run_id, TaskIdentity._node_id = previous


def assign_message_id(message: Message, message_id: str) -> None:
    """Name a message, as the SuperLink does with one that it takes in: a reply to it carries this name."""
    message.metadata.__dict__["_message_id"] = message_id


def client_error(error: Exception, message: Message) -> Message:
    """Make the reply that Flower's runtimes send for a client that raised an exception, in the same words."""
    return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, f"{type(error)}:<'{error}'>"), reply_to=message)


def is_simulated(grid: Grid) -> bool:
    """Whether the clients behind a grid run in Flower's simulation on this machine, so that nobody else speaks there.

    By the name of its class, whose module costs a client more than a second to import.
    """
    return type(grid).__name__ == SIMULATED_GRID


def flower_logger() -> Logger:
    """Flower's logger, with the handlers that Flower gives it."""
    return getLogger(flwr.common.logger.LOGGER_NAME)


def flower_home() -> Path:
    """The folder of Flower's configuration: $FLWR_HOME, else ~/.flwr."""
    return Path(get_flwr_home())


@dataclass(frozen=True)
class Connection:
    """A SuperLink as a Flower configuration names it."""

    name: str
    address: str
    """HOST:PORT; begins with ":" where flwr starts the SuperLink itself; "" where none is given."""
    insecure: bool
    root_certificates: str | None
    """Absolute path; None: the authorities of this system."""


def parse_connection(table: Mapping[str, Any], name: str) -> Connection:
    """Read a connection's table of the configuration as `flwr` does. Raises ValueError where `flwr` would refuse it."""
    found = parse_superlink_connection(dict(table), name)
    return Connection(name, found.address or "", found.insecure, found.root_certificates)
