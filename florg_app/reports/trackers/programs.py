"""The trackers there are, each behind the one interface. None sends anything anywhere unless its own variables say so.

Their packages are optional extras and are imported where they are used.
"""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from florg_app.reports.trackers.tracker import Start, TrackedRun

TRACKER_PROJECT = "florg"


class TensorBoard:
    """Event files in the folder `tensorboard` of the run."""

    def __init__(self, run: TrackedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # What an earlier part of the run wrote of later rounds is hidden: those rounds are made again.
        self._writer = SummaryWriter(str(run.folder / "tensorboard"), purge_step=run.begun + 1 if run.begun else None)
        self._writer.add_text("settings", "\n".join(f"    {key} = {value}" for key, value in run.settings.items()))

    def log(self, t: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, t)
        self._writer.flush()

    def end(self, status: str) -> None:
        self._writer.close()


class TrackioRun:
    """A run of the project `florg` in trackio, which keeps it on this machine (TRACKIO_DIR)."""

    def __init__(self, run: TrackedRun) -> None:
        import trackio  # pyright: ignore[reportMissingImports]

        self._run: Any = trackio.init(project=TRACKER_PROJECT, name=run.name, config=dict(run.settings), resume="allow")

    def log(self, t: int, numbers: Mapping[str, float]) -> None:
        self._run.log(dict(numbers), step=t)

    def end(self, status: str) -> None:
        self._run.finish()


class WandbRun:
    """A run of the project `florg` in Weights & Biases: in the run's folder unless WANDB_MODE says otherwise."""

    def __init__(self, run: TrackedRun) -> None:
        import wandb  # pyright: ignore[reportMissingImports]

        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", TRACKER_PROJECT),
            name=run.name,
            config=dict(run.settings),
            dir=str(run.folder),
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, t: int, numbers: Mapping[str, float]) -> None:
        self._run.log(dict(numbers), step=t)

    def end(self, status: str) -> None:
        self._run.finish(exit_code=int(status != "completed"))


class MLflowRun:
    """A run of the experiment `florg` in MLflow: in mlflow.db of the run's folder unless MLFLOW_TRACKING_URI is set."""

    def __init__(self, run: TrackedRun) -> None:
        from mlflow.tracking import MlflowClient  # pyright: ignore[reportMissingImports]

        place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{run.folder / 'mlflow.db'}"
        self._client = MlflowClient(tracking_uri=place)
        experiment = self._client.get_experiment_by_name(TRACKER_PROJECT)
        number = experiment.experiment_id if experiment else self._client.create_experiment(TRACKER_PROJECT)
        self._run = self._client.create_run(number, run_name=run.name).info.run_id
        for key, value in run.settings.items():
            self._client.log_param(self._run, key, value)

    def log(self, t: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self._client.log_metric(self._run, name, value, step=t)

    def end(self, status: str) -> None:
        states = {"completed": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
        self._client.set_terminated(self._run, states[status])


STARTS: Mapping[str, Start] = {
    "tensorboard": TensorBoard,
    "trackio": TrackioRun,
    "wandb": WandbRun,
    "mlflow": MLflowRun,
}
"""By the names in `report.trackers`, which are those of the packages too."""


def check_trackers(names: tuple[str, ...]) -> None:
    """Raise ValueError where a tracker's package is not installed here, on the server."""
    for name in names:
        if find_spec(name) is None:
            raise ValueError(
                f'report.trackers = "{",".join(names)}": {name} is not installed on the server; pip install {name} '
                f"(in the project's folder: pip install '.[{name}]'), or leave it out"
            )


def started(names: tuple[str, ...]) -> dict[str, Start]:
    """What starts the trackers of these names."""
    return {name: STARTS[name] for name in names}
