"""Runs of the whole application in this process that end in the middle and are gone on with."""

from pathlib import Path

from florg_app import client_app, server_app
from florg_app.config.parse import parse_settings
from florg_app.engines.inline import InProcessGrid, task_identity
from strategies.exchange.wire import CONFIG, ROUND

FAST = {
    "num-server-rounds": 4,
    "fraction-train": 0.75,
    "task.max-train-rows": 120,
    "task.max-validation-rows": 16,
    "train.max-steps": 2,
    "evaluate.every": 2,
    "client.threads": 1,
}


class Killed(BaseException):
    """The end of the server's process: nothing that handles errors handles this."""


class Grid(InProcessGrid):
    """Ends the server when, in round `deadly`, the third client would have its turn; two have trained by then."""

    deadly = 0

    def __init__(self, config, num_clients: int = 4, state_dir: Path | None = None) -> None:
        super().__init__(client_app.app, config, num_clients, state_dir)
        self.trained: list[tuple[int, int]] = []
        """(round, partition) of every client's work."""

    def _serve(self, message):
        if message.metadata.message_type == "train":
            t = int(message.content.config_records[CONFIG][ROUND])
            if t == self.deadly and sum(r == t for r, _ in self.trained) == 2:
                raise Killed(f"in round {t}")
            partition = self._contexts[message.metadata.dst_node_id].node_config["partition-id"]
            self.trained.append((t, int(partition)))
        return super()._serve(message)


def config_of(folder: Path | str, **settings) -> dict:
    return {**FAST, "output-dir": str(folder), **settings}


def serve(grid: InProcessGrid, config: dict) -> None:
    with task_identity():
        server_app.serve(grid, parse_settings(config))


def whole(folder: Path, **settings) -> Path:
    """An uninterrupted run."""
    config = config_of(folder, **settings)
    serve(Grid(config), config)
    return folder


def killed(folder: Path, t: int, state_dir: Path | None = None, **settings) -> Grid:
    """A run whose server ends in round t; the grid with its clients lives on."""
    config = config_of(folder, **settings)
    grid = Grid(config, state_dir=state_dir)
    grid.deadly = t
    try:
        serve(grid, config)
    except Killed:
        return grid
    raise AssertionError(f"the run did not reach the third client of round {t}")
