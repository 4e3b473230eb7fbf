"""The ClientApp: one client's answer to one message; every message may find a fresh process."""

import time
from dataclasses import asdict

import torch
from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from clients import trainer
from clients.device import resolve_device
from clients.memory import Memory, memory_file
from clients.penalty import penalty_of
from florg_app import source
from florg_app.assembly import Assembly, assemble
from florg_app.config import parse
from florg_app.data import ClientData
from florg_app.evaluate import score
from florg_app.settings import Settings, TrainSettings
from strategies.manifest import join, select
from strategies.method import KEPT, UPLOADED
from strategies.ranks import cut, padded
from strategies.rng import stream_seed
from strategies.wire import (
    ARRAYS,
    CONFIG,
    METRICS,
    OWN,
    PARTITION,
    RANK,
    ROUND,
    RUN,
    Malformed,
    RefusalError,
    check_identity,
    pack,
    unpack,
    upload,
)

app = ClientApp()


@app.query()
def hello(message: Message, context: Context) -> Message:
    """Which partition this client holds."""
    partition, _ = partition_of(context)
    return Message(RecordDict({METRICS: MetricRecord({PARTITION: partition})}), reply_to=message)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Check that both sides mean the same, fill the model, score it if asked, train it, remember and send its parts."""
    start = time.monotonic()
    settings = parse(context.run_config)
    config = message.content.config_records[CONFIG]
    check_identity(config, {"source": source.fingerprint()})
    if settings.client.threads:
        torch.set_num_threads(settings.client.threads)
    assembly = assemble(settings, resolve_device(settings.client.device, "client.device"))
    check_identity(config, assembly.identity)
    manifest, rank = assembly.manifest, int(config[RANK])  # type: ignore[arg-type]
    state = unpack(message.content.array_records[ARRAYS], manifest.at(rank).downlink)
    if isinstance(state, Malformed):
        raise RefusalError(f"the broadcast is unusable: {state.reason}")
    partition, num_partitions = partition_of(context)
    data = assembly.data.client(partition, num_partitions)
    memory = _memory(context, assembly, partition, str(config[RUN]))
    kept = memory.recall() or (select(assembly.initial_state, manifest.kept) if manifest.kept else {})
    t = int(config[ROUND])  # type: ignore[arg-type]
    received = join(padded(state, manifest.downlink), kept)
    assembly.load(received, t, rank)
    metrics = {PARTITION: partition, "load-seconds": time.monotonic() - start}
    try:
        metrics |= _work(assembly, data, settings, t, partition, rank, evaluate=bool(config["evaluate"]))
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise RefusalError(f"out of GPU memory: lower train.batch-size or task.max-length ({error})") from error
    memory.remember(assembly.adapted.read(*KEPT))
    trained = assembly.adapted.read(*UPLOADED)
    rank = settings.method.lowered(rank, received, trained)
    shapes = manifest.at(rank).uplink
    return Message(upload(pack(cut(trained, shapes), shapes), t, {**metrics, RANK: rank}), reply_to=message)


def _work(
    assembly: Assembly, data: ClientData, settings: Settings, t: int, partition: int, rank: int, evaluate: bool
) -> dict[str, int | float]:
    """Score the received model if asked, then train it; the metrics of both."""
    metrics: dict[str, int | float] = {}
    if evaluate:
        rows = data.held_out if settings.evaluate.client_rows == "held-out" else assembly.data.validation
        own = {"examples": len(rows), **score(assembly, rows, settings)}
        metrics = {f"{OWN}{name}": value for name, value in own.items()}
    seed = stream_seed(settings.seed, "train", t, partition)
    device = assembly.adapted.model.device
    report = trainer.train(
        assembly.adapted,
        data.train,
        assembly.collate,
        assembly.task.loss,
        _how(settings.train),
        seed,
        device,
        penalty_of(settings.method, assembly.adapted, rank),
        settings.method.projection(),
    )
    return {**metrics, **{name.replace("_", "-"): value for name, value in asdict(report).items()}}


def _how(train: TrainSettings) -> trainer.TrainSettings:
    """The trainer's settings, with what is unset filled in."""
    given = train.model_dump()
    given["head_learning_rate"] = train.head_learning_rate or train.learning_rate
    given["max_steps"] = train.max_steps or -1
    return trainer.TrainSettings(**given)


def _memory(context: Context, assembly: Assembly, partition: int, run: str) -> Memory:
    """This client's own; on its disk too where the node configuration has a `state-dir`."""
    owner = {RUN: run, "manifest": assembly.manifest.digest, "backbone": assembly.identity["backbone"]}
    folder = context.node_config.get("state-dir")
    file = memory_file(str(folder), str(context.node_config.get("client-name", partition))) if folder else None
    return Memory(context.state, assembly.manifest.kept, {**owner, PARTITION: str(partition)}, file)


def partition_of(context: Context) -> tuple[int, int]:
    """(partition id, number of partitions) of this node. Raises ValueError where its configuration lacks them."""
    node = context.node_config
    try:
        partition, total = int(node["partition-id"]), int(node["num-partitions"])
    except KeyError as missing:
        raise ValueError(
            f"the node configuration has no {missing}: start the SuperNode with "
            '--node-config "partition-id=0 num-partitions=2"'
        ) from None
    if not 0 <= partition < total:
        raise ValueError(f"partition-id = {partition} is not in 0 .. num-partitions - 1 = {total - 1}")
    return partition, total
