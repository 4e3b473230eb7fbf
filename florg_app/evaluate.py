"""Scores of the model that an assembly holds now."""

from clients.predict import evaluate
from florg_app.assembly import Assembly
from florg_app.settings import Settings
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
