"""The ClientApp: one client's answer to one message; every message may find a fresh process."""

import time

import torch
from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp

from clients import trainer
from clients.device import resolve_device
from clients.optimizers import optimizer_for
from clients.penalty import penalty_of
from clients.train_settings import TrainOptions
from florg_app import code_version
from florg_app.assembly import Assembly, assemble, score_model
from florg_app.client_side.memories import ClientStores
from florg_app.client_side.node import introduce, own_paths, partition_of, redact_errors
from florg_app.client_side.once import held_once
from florg_app.client_side.reply import build_reply
from florg_app.client_side.round_zero import round_zero_of, sketch_reply
from florg_app.client_side.rows import timed_rows
from florg_app.client_side.secure_sum import OpenedSum, SecureSumClient
from florg_app.config.parse import ConfigError, parse_settings
from florg_app.config.protection import weighting_of
from florg_app.config.round_options import train_options
from florg_app.config.secure_sum import rules_of
from florg_app.config.settings import Settings
from florg_app.config.wire_settings import wire_of
from florg_app.data.features import ClientData
from strategies.exchange.coding import decode_record
from strategies.exchange.hello import ROWS, question_of, refusal_content
from strategies.exchange.metrics import dashed
from strategies.exchange.ranks import padded
from strategies.exchange.secure_step import SECURE_ACTION, read_step
from strategies.exchange.train_request import TrainRequest
from strategies.exchange.wire import (
    ARRAYS,
    CONFIG,
    OWN,
    PARTITION,
    Malformed,
    RefusalError,
    check_identity,
)
from strategies.flops import counted
from strategies.plan import KEPT, UPLOADED
from strategies.rng import stream_seed
from strategies.starts.sketch_round import ROUND_ZERO
from strategies.state import State

app = ClientApp()


@app.query()
def hello(message: Message, context: Context) -> Message:
    """Say who this client is, or, where that is asked, whether its rows can be used."""
    try:
        if question_of(message) == ROWS:
            return Message(refusal_content(_problem_of_rows(context)), reply_to=message)
        return Message(introduce(context).content(), reply_to=message)
    except ConfigError as error:  # of this node's configuration
        return Message(refusal_content(str(error)), reply_to=message)


def _problem_of_rows(context: Context) -> str:
    """Why a round would fail for this client's rows, in words for the server; empty where all can be used.

    What is read here is not read again in the rounds, where the process stays.
    """
    settings = parse_settings(context.run_config)
    device = resolve_device(settings.client.device, "client.device")
    try:
        with redact_errors(context):
            data = assemble(settings, device, *own_paths(context)).data
            data.client(*partition_of(context))
            if settings.evaluate.on_clients and settings.evaluate.client_rows == "validation":
                data.validation  # noqa: B018  # made at its first use
    except ConfigError as error:
        return str(error)
    return ""


@app.query(SECURE_ACTION)
def secure_step(message: Message, context: Context) -> Message:
    """Do one step of a round's secure sum: send keys, shares for the other clients, or shares of what they dealt."""
    client = secure_client(parse_settings(context.run_config), message, context)
    if client is None:
        raise RefusalError("a step of a secure sum, but privacy.secure-sum = false here")
    return Message(client.answer(), reply_to=message)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Check that both sides mean the same, fill the model, score it if asked, train it, remember and send its parts."""
    start = time.monotonic()
    settings = parse_settings(context.run_config)
    config = message.content.config_records[CONFIG]
    # Before anything else is read: what other code writes may mean something else.
    check_identity(config, {"source": code_version.code_fingerprint()})
    request = TrainRequest.from_config(config)
    secure = secure_client(settings, message, context)
    opened = secure and secure.open()  # before any long work: it may have to refuse
    if settings.client.threads:
        torch.set_num_threads(settings.client.threads)
    device = resolve_device(settings.client.device, "client.device")
    assembly = assemble(settings, device, *own_paths(context))
    check_identity(request.identity, assembly.identity)
    sketching = request.t == ROUND_ZERO
    manifest = assembly.manifest.in_round(settings.method, request.t)
    layout = (round_zero_of(settings, assembly)[1] if sketching else manifest).at(request.rank)
    shapes = {**layout.downlink, **layout.once} if request.carries else layout.downlink
    coding = {} if sketching else dict.fromkeys(layout.downlink, wire_of(settings.wire).broadcast)
    state = decode_record(message.content.array_records[ARRAYS], shapes, coding)
    if isinstance(state, Malformed):
        raise RefusalError(f"the broadcast is unusable: {state.reason}")
    with redact_errors(context):
        if sketching:
            content = sketch_reply(request, context, settings, assembly, start, opened)
        else:
            content = _answer(request, state, context, settings, assembly, start, opened)
        reply = Message(content, reply_to=message)
    if secure and opened:
        secure.uploaded(opened)
    return reply


def _answer(
    request: TrainRequest,
    state: State,
    context: Context,
    settings: Settings,
    assembly: Assembly,
    start: float,
    opened: OpenedSum | None,
) -> RecordDict:
    """What this client makes of the broadcast with its rows; `start` is when it began to work on the message."""
    t, rank = request.t, request.rank
    manifest = assembly.manifest.in_round(settings.method, t)
    partition, data, data_seconds = timed_rows(context, assembly)
    stores = ClientStores(context, assembly, partition, request.context)
    store = stores.tensors()
    once = held_once(stores, request, state, manifest)
    broadcast = state.select(manifest.downlink)
    received = padded(broadcast, manifest.downlink).join(once).join(_own_tensors(store.load(), assembly))
    assembly.load(received, t, rank)
    load_seconds = time.monotonic() - start - data_seconds
    metrics = {PARTITION: partition, "load-seconds": load_seconds, "data-seconds": data_seconds}
    if settings.task.bad_rows == "skip":
        metrics["skipped-rows"] = assembly.data.skipped("train")
    try:
        metrics |= _score(assembly, data, settings) if request.evaluate else {}
        seed = stream_seed(settings.seed, "train", t, partition)
        metrics |= _train(assembly, data, settings, train_options(settings, t), seed, rank, stores)
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise RefusalError(f"out of GPU memory: lower train.micro-batch-size or task.max-length ({error})") from error
    store.save(assembly.adapted.read(*KEPT))
    trained = assembly.adapted.read(*UPLOADED)
    wire = wire_of(settings.wire)
    rests = stores.rest() if wire.feedback else None
    return build_reply(settings, settings.method, manifest, t, rank, received, trained, metrics, opened, wire, rests)


def _own_tensors(stored: State | None, assembly: Assembly) -> State:
    """What the client kept from its last round; before its first, the initial tensors."""
    kept = assembly.manifest.kept
    if stored is not None or not kept:  # the initial state may be costly to make
        return stored or State()
    return assembly.initial_state.select(kept)


def _score(assembly: Assembly, data: ClientData, settings: Settings) -> dict[str, int | float]:
    """The client's own scores of the model as it is now."""
    rows = data.held_out if settings.evaluate.client_rows == "held-out" else assembly.data.validation
    own = {"examples": len(rows), **score_model(assembly, rows, settings)}
    return {f"{OWN}{name}": value for name, value in own.items()}


def _train(
    assembly: Assembly,
    data: ClientData,
    settings: Settings,
    options: TrainOptions,
    seed: int,
    rank: int,
    stores: ClientStores,
) -> dict[str, int | float]:
    """Train the model as it is now; the metrics."""
    adapted, method = assembly.adapted, settings.method
    optimizer = optimizer_for(adapted, options, method.projection())
    goes_on = stores.optimizer(optimizer, settings.train.optimizer_state, rank)
    with goes_on, counted(settings.measure.costs) as costs:
        report = trainer.local_train(
            adapted,
            data.train,
            options,
            collate=assembly.collate,
            loss_fn=assembly.task.loss,
            seed=seed,
            penalty=penalty_of(method, adapted, rank),
            optimizer=optimizer,
        )
    return {**dashed(report), **costs}


def secure_client(settings: Settings, message: Message, context: Context) -> SecureSumClient | None:
    """Return this client's part in the secure sum of the message's round; None where the settings have no such sum."""
    rules = rules_of(settings.privacy, weighting_of(settings.strategy.weighting, settings.method))
    return rules and SecureSumClient(context, rules, partition_of(context)[0], read_step(message.content))
