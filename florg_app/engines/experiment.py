"""One call of `florg run`: settled settings and a folder, then one of three engines, then the truth about the end."""

import logging
import os
import traceback
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from florg_app.config import runconfig
from florg_app.config.runconfig import RunConfig
from florg_app.engines import launch, resumed
from florg_app.engines.ending import account, without_place
from florg_app.engines.held_folder import check_free, held_folder
from florg_app.engines.launch import Say
from florg_app.folder_lock import FolderError
from florg_app.reports.report import FAILED_LINE, PREFIX

if TYPE_CHECKING:
    from florg_app.config.settings import Settings

Look = Callable[[RunConfig, "Settings"], None]
"""Looks ahead at a run with these settings. Raises ValueError where it would fail."""


def no_look(config: RunConfig, settings: "Settings") -> None:
    """Leave it to the run itself to find out."""


@dataclass(frozen=True)
class Experiment:
    """What will run, checked, and where its results go."""

    app: Path
    config: RunConfig
    """Every setting."""
    overrides: RunConfig
    """Those that Flower has to be told, because they are not what pyproject.toml says."""
    folder: Path
    """Absolute; exists."""

    @property
    def new(self) -> bool:
        """Whether it begins a run and goes on with none."""
        return not self.config.get("resume-from")


def prepare(
    app_dir: Path | None,
    files: Iterable[Path],
    assignments: Iterable[str],
    output: Path | None,
    *,
    threads: int,
    remote: bool,
    look: Look = no_look,
) -> Experiment:
    """Gather and check the settings and make the folder of the results.

    A remote run keeps its own `client.threads` and paths, since they belong to other machines; `folder` holds its log,
    and its results where `output` is given and the server can write there. `look` looks ahead once the settings are
    settled. Raises ValueError with a complete message, before anything was started or written.
    """
    app = runconfig.find_app(app_dir or Path.cwd())
    config, overrides = runconfig.gather_run_config(app, files, assignments)
    return settle(app, config, overrides, output, threads=threads, remote=remote, look=look)


def settle(
    app: Path,
    config: RunConfig,
    overrides: RunConfig,
    output: Path | None,
    *,
    threads: int,
    remote: bool,
    look: Look = no_look,
) -> Experiment:
    """As `prepare`, of settings that are gathered already; `overrides` grows by those that are settled here."""
    from florg_app.config.parse import parse_settings  # here: it imports torch

    if not remote:
        overrides |= runconfig.absolute_paths(config, Path.cwd())
    named = output or (None if remote else config.get("output-dir"))
    folder = Path(str(named or Path("runs") / _name(config))).absolute()
    if config.get("resume-from") and not remote:
        config, overrides, folder = resumed.resumed_run_config(config | overrides, overrides, folder if named else None)
    elif not config.get("resume-from"):
        check_free(folder)
    settings = parse_settings(config | overrides)
    if not remote:
        os.environ.update(offline(config | overrides))  # before transformers
    look(config | overrides, settings)
    if output or not remote:
        overrides["output-dir"] = str(folder)
    if not remote and "client.threads" in config:
        overrides.setdefault("client.threads", threads)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"the folder {folder} cannot be made: {error.strerror}; choose another --output") from error
    return Experiment(app, config | overrides, overrides, folder)


def run_simulated(experiment: Experiment, simulation: launch.Simulation, say: Say) -> int:
    """Run on a private SuperLink with Ray; returns the exit status."""
    return account(
        experiment.folder, experiment.config, lambda: play_simulated(experiment, simulation, without_place(say))
    )


def play_simulated(experiment: Experiment, simulation: launch.Simulation, say: Say) -> launch.Outcome:
    """Run on a private SuperLink with Ray.

    Raises LaunchError where it cannot be started or followed, and FolderError where the folder is another's.
    """
    from clients.memory import STATE_DIR  # here: it imports Flower

    with held_folder(experiment.folder, experiment.new):
        _make_ready(experiment, simulation)
        env = {**os.environ, STATE_DIR: str(experiment.folder / resumed.CLIENTS), **offline(experiment.config)}
        return launch.simulate(experiment.app, experiment.overrides, simulation, experiment.folder, env, say)


def run_remote(experiment: Experiment, connection: str, say: Say) -> int:
    """Run on the SuperLink `connection` of the user's Flower configuration; returns the exit status."""
    with held_folder(experiment.folder, experiment.new):
        return account(
            experiment.folder,
            experiment.config,
            lambda: launch.submit(
                experiment.app, experiment.overrides, connection, experiment.folder, dict(os.environ), say
            ),
        )


def run_inline(experiment: Experiment, simulation: launch.Simulation, say: Say) -> int:
    """Run server and clients in this process, one client at a time; returns the exit status."""
    return account(
        experiment.folder, experiment.config, lambda: play_inline(experiment, simulation, without_place(say))
    )


def play_inline(experiment: Experiment, simulation: launch.Simulation, say: Say) -> launch.Outcome:
    """Run server and clients in this process, one client at a time; what the server raises is in the outcome.

    Raises FolderError where the folder is another's.
    """
    os.environ.update({"TOKENIZERS_PARALLELISM": "false", **offline(experiment.config)})  # before transformers
    from florg_app.engines import inline

    with held_folder(experiment.folder, experiment.new), _flower_log_to(experiment.folder / launch.LOG, say):
        _make_ready(experiment, simulation)
        runconfig.write_run_config(experiment.folder / launch.RUN_CONFIG, experiment.overrides)
        try:
            inline.run_in_process(experiment.config, simulation.num_clients, experiment.folder / resumed.CLIENTS)
        except Exception as error:  # whatever it is, the run has failed and its log says where
            logging.getLogger("flwr").error("%s", traceback.format_exc())
            return launch.Outcome("", "failed", str(error))
    return launch.Outcome("", "completed", "")


def _make_ready(experiment: Experiment, simulation: launch.Simulation) -> None:
    """What a simulated run needs in its folder. Raises FolderError where that cannot be written."""
    try:
        if source := str(experiment.overrides.get("resume-from") or ""):
            resumed.copy_clients(resumed.source_folder(source), experiment.folder)
        resumed.note_clients(experiment.folder, simulation.num_clients)
    except OSError as error:
        raise FolderError(f"the folder {experiment.folder} cannot be written: {error}; choose another") from error


def _name(config: RunConfig) -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{config.get('strategy.name', 'run')}-{uuid4().hex[:4]}"


def offline(config: RunConfig) -> dict[str, str]:
    """Keep the hub out of runs that need nothing from it: without a network each question to it waits for seconds."""
    model, task = str(config.get("model.name")), str(config.get("task.name"))
    files = bool(config.get("task.path") or config.get("task.client-files"))
    local = (model == "tiny" or Path(model).is_dir()) and (task == "tiny" or files)
    return {"HF_HUB_OFFLINE": "1"} if local else {}


@contextmanager
def _flower_log_to(log_file: Path, say: Say):
    """Send what Flower's logger says to a file, and our own lines among it to `say`."""
    from strategies.flower_internals import flower_logger

    class Speaker(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if (text := record.getMessage()).startswith(PREFIX) and not text.startswith(f"{PREFIX}{FAILED_LINE}"):
                say(text.removeprefix(PREFIX))

    logger = flower_logger()
    previous = logger.handlers
    file = logging.FileHandler(log_file, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(levelname)s :      %(message)s"))
    file.setLevel(logging.INFO)
    logger.handlers = [file, Speaker()]
    try:
        yield
    finally:
        logger.handlers = previous
        file.close()
