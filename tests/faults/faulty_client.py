"""The app's client, made to fail: `faults="1:nan 2:held"` in a SuperNode's configuration says what it does in a round.

What a stranger might send is made here of the broadcast, without the app's own code, which would never send it.
"""

import io
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from flwr.app import Array, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.query()
def hello(message: Message, context: Context) -> Message:
    node = context.node_config
    known = {"partition-id": node["partition-id"], "num-partitions": node["num-partitions"], "private": 0}
    return Message(RecordDict({"metrics": MetricRecord(known)}), reply_to=message)


@app.train()
def train(message: Message, context: Context) -> Message:
    plan = dict(entry.split(":") for entry in str(context.node_config.get("faults", "")).split())
    name = plan.get(str(message.content.config_records["config"]["round"]))
    return honest(message, context) if name is None else FAULTS[name](message, context)


def honest(message: Message, context: Context) -> Message:
    from florg_app import client_app

    return client_app.app(message, context)


Client = Callable[[Message, Context], Message]


def sends(change: Callable[[np.ndarray], np.ndarray], late: int = 0) -> Client:
    """The broadcast comes back with its first array changed, as the answer to the round `late` rounds ago."""

    def client(message: Message, context: Context) -> Message:
        config, arrays = message.content.config_records["config"], message.content.array_records["arrays"]
        first = next(iter(arrays))
        arrays[first] = Array(change(arrays[first].numpy().copy()))
        own = {"partition-id": context.node_config["partition-id"], "num-examples": 1000, "rank": config["rank"]}
        answer = {"arrays": arrays, "config": ConfigRecord({"round": int(str(config["round"])) - late})}
        return Message(RecordDict({**answer, "metrics": MetricRecord(own)}), reply_to=message)

    return client


def one_number(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array.flat[1] = value
        return array

    return change


def sends_bytes(data: bytes) -> Client:
    """Honest but for the bytes of the first array."""

    def client(message: Message, context: Context) -> Message:
        reply = honest(message, context)
        arrays = reply.content.array_records["arrays"]
        first = next(iter(arrays))
        arrays[first] = Array("float32", tuple(arrays[first].shape), "numpy.ndarray", data)
        return reply

    return client


def repacks(change: Callable[[dict], object]) -> Client:
    """Honest but for how the first array describes itself to Flower, which unpacks it by that."""

    def client(message: Message, context: Context) -> Message:
        reply = honest(message, context)
        array = next(iter(reply.content.array_records["arrays"].values()))
        head, _, body = array.deflate().partition(b"\x00")
        words = json.dumps(change(json.loads(body))).encode()
        kind, children, _ = head.split(b" ")
        packed = b" ".join([kind, children, str(len(words)).encode()]) + b"\x00" + words
        array.__dict__["deflate"] = lambda: packed
        return reply

    return client


def reports(metrics: dict[str, int | float] | None) -> Client:
    """Honest but for some metrics; None: it sends none."""

    def client(message: Message, context: Context) -> Message:
        reply = honest(message, context)
        if metrics is None:
            del reply.content["metrics"]
        else:
            reply.content.metric_records["metrics"].update(metrics)
        return reply

    return client


def shouts(message: Message, context: Context) -> Message:
    raise RuntimeError("\x1b[31mthe disk\u2028is on fire\x85[/red]")


def object_array() -> bytes:
    """An array of Python objects, whose numbers are a pickle."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], object), allow_pickle=True)
    return buffer.getvalue()


def claim(shape: str) -> bytes:
    """An array that claims this shape and has four numbers."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16)


def with_settings(**changed: str) -> Client:
    """Trains with settings of its own in this one round: Flower keeps a context from message to message."""

    def client(message: Message, context: Context) -> Message:
        given = dict(context.run_config)
        context.run_config |= {key.replace("__", "."): value for key, value in changed.items()}
        try:
            return honest(message, context)
        finally:
            context.run_config = given

    return client


def other_code(message: Message, context: Context) -> Message:
    from florg_app import code_version

    code_version.code_fingerprint = lambda: "0123456789abcdef"
    return honest(message, context)


def other_labels(message: Message, context: Context) -> Message:
    """Trains on the rows of another task, in this one round."""
    context.node_config["data-path"] = str(context.node_config["other-rows"])
    try:
        return with_settings(task__name="text", task__labels="sun,rain")(message, context)
    finally:
        del context.node_config["data-path"]


def out_of_memory(message: Message, context: Context) -> Message:
    import torch

    from clients import trainer

    def train(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    trainer.local_train = train
    return honest(message, context)


def killed(message: Message, context: Context) -> Message:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it lives")


def held(message: Message, context: Context) -> Message:
    """Stays in the middle of training until the file ROUND is in the folder `release` of the SuperNode."""
    print("FAULT: in the middle of training", flush=True)
    file = Path(str(context.node_config["release"])) / str(message.content.config_records["config"]["round"])
    while not file.exists():
        time.sleep(0.1)
    return honest(message, context)


FAULTS: dict[str, Client] = {
    "no-array": sends_bytes(b"these are no numbers"),
    "object-array": sends_bytes(object_array()),
    "huge-claim": sends_bytes(claim("(1000000000000,)")),
    "no-description": repacks(lambda body: [body]),
    "endless": repacks(lambda body: {**body, "arraychunk_ids": [0] * 300_000}),
    "no-number": reports({"loss": float("nan")}),
    "unknown-metric": reports({"own-\u2028[/red]": 1.0}),
    "no-metrics": reports(None),
    "many-examples": reports({"num-examples": 10**18}),
    "shouts": shouts,
    "nan": sends(one_number(float("nan"))),
    "infinity": sends(one_number(float("inf"))),
    "shape": sends(lambda array: array[:, :1]),
    "earlier-round": sends(lambda array: array, late=1),
    "huge": sends(lambda array: np.full_like(array, 3e38)),
    "out-of-memory": out_of_memory,
    "killed": killed,
    "held": held,
    "other-code": other_code,
    "other-model": with_settings(model__dtype="bfloat16"),
    "other-basis": with_settings(strategy__florg__basis="kaiming"),
    "other-labels": other_labels,
}
