"""A client's answer in round 0: sketches of the gradient of its loss at the start."""

import time

from flwr.app import Context, RecordDict

from clients.gradient_sketch import sketch_gradient
from florg_app.assembly import Assembly
from florg_app.client_side.reply import build_reply
from florg_app.client_side.rows import timed_rows
from florg_app.client_side.secure_sum import OpenedSum
from florg_app.config.gradient_start import sketch_columns
from florg_app.config.settings import Settings
from strategies.exchange.train_request import TrainRequest
from strategies.exchange.wire import EXAMPLES, PARTITION
from strategies.manifest import Manifest
from strategies.method import Method
from strategies.rng import generator
from strategies.starts.sketch import probe_matrices
from strategies.starts.sketch_round import sketch_round
from strategies.state import State


def round_zero_of(settings: Settings, assembly: Assembly) -> tuple[Method, Manifest]:
    """Return the method of round 0 and its layout."""
    columns = sketch_columns(settings.start.columns, settings.adapter.rank)
    return sketch_round(settings.method, assembly.manifest, columns)


def sketch_reply(
    request: TrainRequest,
    context: Context,
    settings: Settings,
    assembly: Assembly,
    start: float,
    opened: OpenedSum | None,
) -> RecordDict:
    """Return the sketches of this client; `start` is when it began to work on the message."""
    method, manifest = round_zero_of(settings, assembly)
    partition, data, data_seconds = timed_rows(context, assembly)
    rows = data.train
    assembly.load(assembly.initial_state, 1)
    load_seconds = time.monotonic() - start - data_seconds
    begun = time.monotonic()
    count = min(settings.start.rows, len(rows))
    chosen = sorted(generator(settings.seed, "sketch-rows", partition).permutation(len(rows))[:count].tolist())
    sketches = sketch_gradient(
        assembly.adapted,
        [rows[row] for row in chosen],
        {group.name: probe_matrices(group, manifest.rank, manifest.seed) for group in manifest.groups},
        collate=assembly.collate,
        loss_fn=assembly.task.loss,
        batch_size=settings.train.micro_batch_size or settings.train.batch_size,
        precision=settings.train.precision,
    )
    metrics = {PARTITION: partition, EXAMPLES: len(rows), "load-seconds": load_seconds, "data-seconds": data_seconds}
    metrics |= {"seconds": time.monotonic() - begun}
    return build_reply(settings, method, manifest, request.t, request.rank, State(), sketches, metrics, opened)
