"""Scores of the model that an assembly holds now."""

from collections.abc import Callable

from clients.predict import evaluate
from florg_app.assembly import Assembly
from florg_app.config.settings import Settings
from florg_app.rows.data import Data
from florg_app.tasks.base import Features


def score(assembly: Assembly, features: Features, settings: Settings) -> dict[str, float]:
    """The task's metrics of the filled model on these rows."""
    predictions = evaluate(
        assembly.adapted,
        features,
        assembly.collate,
        assembly.task.predict,
        settings.evaluate.batch_size,
        assembly.adapted.model.device,
        settings.train.precision,
    )
    return assembly.task.score(predictions, features)


def central_rows(data: Data, settings: Settings, num_clients: Callable[[], int]) -> Features:
    """What the server scores the global model on; how many clients there are is asked where the rows depend on it."""
    return data.held_out(num_clients()) if settings.evaluate.rows == "union-held-out" else data.validation
