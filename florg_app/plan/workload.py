"""What a client trains on in a round: sizes of batches, of the run's own rows or of rows that are only described."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from torch import Tensor

from clients.backbone import PREPROCESSORS
from clients.batches import Batch, batches, in_parts, token_lengths
from clients.train_settings import TrainOptions
from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.data.client_rows import ClientRows
from florg_app.data.features import ClientDatasets
from florg_app.pretrained import EMBEDDED
from florg_app.tasks.base import Features, Preprocessor, Task
from florg_app.tasks.tiny.embedded import load_embedded_tokenizer
from strategies.rng import stream_seed

PartSize = tuple[int, int]
"""Rows of a part of a batch, and tokens of the longest of them; 0 for images."""

MOST_ROUNDS_OF_CLIENTS = 64
"""Of a longer plan so many rounds of clients, evenly spaced, stand for all."""


@dataclass(frozen=True)
class Described:
    """Rows that nobody has read."""

    tokens: int | None = None
    """Of each row; None: the run's own rows are read and tokenised."""
    examples: int | None = None
    """Of each client; None: as the run's rows are divided."""


@dataclass(frozen=True)
class Workload:
    """A client's round: how many parts of each size, and how many steps; means over clients and rounds."""

    parts: Mapping[PartSize, float]
    steps: float
    samples: Mapping[PartSize, Batch]
    """A batch of each size as the task makes it."""

    @property
    def largest(self) -> PartSize:
        """That of the most tokens."""
        return max(self.parts, key=lambda size: (size[0] * max(size[1], 1), size))


def make_workload(
    settings: Settings,
    task: Task,
    options: TrainOptions,
    asked: Sequence[tuple[int, Sequence[int]]],
    num_clients: int,
    described: Described,
) -> Workload:
    """Find out what clients train on.

    Args:
        settings: of the run.
        task: of the settings.
        options: how clients train.
        asked: rounds and the partitions that are asked in each.
        num_clients: among whom the rows are divided.
        described: what is said of rows instead of reading them.

    Raises:
        ValueError: Rows or tokenizer cannot be read, and nothing is said in their place.
    """
    turns = [(t, partition) for t, partitions in asked for partition in partitions]
    turns = turns[:: math.ceil(len(turns) / MOST_ROUNDS_OF_CLIENTS)] if turns else []
    if described.tokens is None:
        return _of_rows(settings, task, options, turns, num_clients)
    return _as_described(settings, task, options, turns, num_clients, described)


def _of_rows(
    settings: Settings, task: Task, options: TrainOptions, turns: Sequence[tuple[int, int]], num_clients: int
) -> Workload:
    """The batches of the run itself."""
    try:
        preprocessor = load_preprocessor(settings, task)
    except ValueError as error:
        raise ConfigError(f"{error} - or say how long rows are, with --tokens, and no tokenizer is needed") from error
    task.check_preprocessor(preprocessor, settings.task.max_length)
    data, collate = ClientDatasets(task, preprocessor, settings), task.collate(preprocessor)
    counts: Counter[PartSize] = Counter()
    samples: dict[PartSize, Batch] = {}
    steps = 0
    for t, partition in turns:
        features = data.client(partition, num_clients).train
        lengths, number = token_lengths(features), num_steps(len(features), options)
        seed = stream_seed(settings.seed, "train", t, partition)
        for rows in islice(batches(lengths, options.batch_size, seed, options.group_by_length), number):
            for part in in_parts(rows, options.micro_batch_size):
                size = len(part), max(lengths[row] for row in part)
                counts[size] += 1
                if size not in samples:
                    samples[size] = collate([features[row] for row in part])
        steps += number
    return _mean(counts, steps, samples, len(turns))


def num_steps(num_rows: int, options: TrainOptions) -> int:
    """Return the optimizer steps of one round of a client with so many rows."""
    return options.max_steps if options.max_steps > 0 else options.epochs * math.ceil(num_rows / options.batch_size)


def _as_described(
    settings: Settings,
    task: Task,
    options: TrainOptions,
    turns: Sequence[tuple[int, int]],
    num_clients: int,
    described: Described,
) -> Workload:
    """Batches of rows that all have as many tokens, made-up ones of the task lengthened."""
    assert described.tokens is not None
    counts: Counter[PartSize] = Counter()
    steps = 0
    rows = ClientRows(task, settings, settings.partition.holdout)
    for _, partition in turns:
        examples = described.examples or len(rows.of(partition, num_clients)[0])
        number = num_steps(examples, options)
        order = batches([described.tokens] * examples, options.batch_size, 0)
        for batch in islice(order, number):
            counts.update((len(part), described.tokens) for part in in_parts(batch, options.micro_batch_size))
        steps += number
    made = _specimens(settings, task)
    return _mean(counts, steps, {size: _resized(made, size) for size in counts}, len(turns))


def _mean(counts: Counter[PartSize], steps: int, samples: Mapping[PartSize, Batch], turns: int) -> Workload:
    return Workload({size: count / turns for size, count in counts.items()}, steps / turns, samples)


def load_preprocessor(settings: Settings, task: Task) -> Preprocessor:
    """Load what makes rows into the model's input; no weights. Raises ValueError."""
    if settings.model.name == EMBEDDED:
        return load_embedded_tokenizer()
    return PREPROCESSORS[task.head.kind.preprocessor](settings.model.name, settings.model.trust_remote_code)


def _specimens(settings: Settings, task: Task) -> Batch:
    """A batch of made-up rows by the embedded tokenizer: only sizes count, and the model's own may not be here."""
    if task.head.kind.preprocessor != "AutoTokenizer":
        raise ConfigError(
            f'--tokens: the rows of task.name = "{settings.task.name}" are no texts; leave it out, and the run\'s own '
            "images are measured"
        )
    tokenizer = load_embedded_tokenizer()
    tokenizer.eos_token = tokenizer.sep_token  # which it has none of, and responses end with one
    features: Features = task.features(task.specimens(tokenizer), tokenizer, settings.task.max_length)
    return task.collate(tokenizer)([features[row] for row in range(len(features))])


def _resized(batch: Batch, size: PartSize) -> Batch:
    """The batch with so many rows, and so many places where it has one for each token."""
    num_rows, tokens = size
    width = batch["input_ids"].shape[1]

    def resize(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        shape = (num_rows, tokens) if value.shape[1:] == (width,) else (num_rows, *value.shape[1:])
        return value.new_ones(shape)

    return {name: resize(value) for name, value in batch.items()}
