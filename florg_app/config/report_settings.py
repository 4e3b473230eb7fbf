"""Settings of where a run is shown while it goes on."""

from typing import Annotated, Literal

from florg_app.config.flat import CommaSeparated, Words
from florg_app.config.section import Section

TrackerName = Literal["tensorboard", "trackio", "wandb", "mlflow"]

TrackerNames = Annotated[
    tuple[TrackerName, ...],
    CommaSeparated(),
    Words('comma-separated, of tensorboard, trackio, wandb and mlflow, or "" (none)'),
]


class ReportSettings(Section, frozen=True):
    trackers: TrackerNames = ()
    """Programs that the server tells of each round."""
