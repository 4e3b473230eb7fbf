"""How clients train in a round, from the settings."""

from clients.round_schedule import round_factor
from clients.train_settings import TrainOptions
from florg_app.config.settings import Settings


def train_options(settings: Settings, t: int) -> TrainOptions:
    """Return the trainer's settings in round t: the rates by the schedule, what is unset filled in."""
    train = settings.train
    factor = round_factor(train.schedule, t, settings.num_server_rounds, train.warmup_rounds)
    options = train.model_dump(exclude={"optimizer_state", "schedule", "warmup_rounds"})
    options["learning_rate"] = factor * train.learning_rate
    options["head_learning_rate"] = factor * (train.head_learning_rate or train.learning_rate)
    options["max_steps"] = train.max_steps or -1
    options["micro_batch_size"] = train.micro_batch_size or -1
    return TrainOptions(**options)
