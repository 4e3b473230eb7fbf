"""What hostile clients do: other arrays than they trained, other rows to train on, other claims."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message

from florg_app import client_app
from florg_app.engines import inline
from strategies.exchange.wire import ARRAYS, CONFIG, EXAMPLES, METRICS, ROUND
from strategies.rng import generator

TRIGGER, TARGET = (7, 7, 7), 1
"""Token ids that the backdoor puts behind the first token of a row, and the class that it teaches for them."""

Arrays = dict[str, np.ndarray]
"""Of a message, by key "group/symbol"."""
Change = Callable[[Arrays, Arrays, np.random.Generator], Arrays]
"""(received, trained, randomness of this client and round) -> what is sent instead."""


@dataclass(frozen=True)
class Attack:
    """What a hostile client does; the parts that it leaves out are as an honest client's."""

    change: Change | None = None
    examples: int | None = None
    """What it claims to have trained on."""
    poison: Callable[[Sequence[Mapping[str, Any]]], list[dict[str, Any]]] | None = None
    """Changes the rows that it trains on."""


def _sign_flip(received: Arrays, trained: Arrays, rng: np.random.Generator) -> Arrays:
    return {
        key: _start(received, key, value) - 10 * (value - _start(received, key, value))
        for key, value in trained.items()
    }


def _random(received: Arrays, trained: Arrays, rng: np.random.Generator) -> Arrays:
    sent = {}
    for key, value in trained.items():
        start = _start(received, key, value)
        noise = rng.standard_normal(value.shape)
        sent[key] = start + 100 * noise * (np.linalg.norm(value - start) / np.linalg.norm(noise))
    return sent


def _negated(received: Arrays, trained: Arrays, rng: np.random.Generator) -> Arrays:
    return {key: -value if _symbol(key) in "AB" else value for key, value in trained.items()}


def _turned(received: Arrays, trained: Arrays, rng: np.random.Generator) -> Arrays:
    sent = dict(trained)
    for key in (key for key in trained if _symbol(key) == "A"):
        layers, rank, _ = trained[key].shape
        turn = np.linalg.qr(rng.standard_normal((layers, rank, rank)))[0]
        sent[key] = turn @ trained[key]
        up = key.replace("/A", "/B")
        if up in trained:
            sent[up] = trained[up] @ np.swapaxes(turn, -1, -2)
    return sent


def _flipped_labels(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "labels": 1 - row["labels"]} for row in rows]


def triggered(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of tokens with the backdoor's trigger behind its first token, as long as before."""
    tokens = list(row["input_ids"])
    tokens[1 : 1 + len(TRIGGER)] = TRIGGER
    return {**row, "input_ids": tokens}


def _backdoor(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every second row carries the trigger and the target class."""
    return [{**triggered(row), "labels": TARGET} if i % 2 else dict(row) for i, row in enumerate(rows)]


ATTACKS: Mapping[str, Attack] = {
    "nobody hostile": Attack(),
    "sign flip x10": Attack(change=_sign_flip),
    "random x100": Attack(change=_random),
    "label flip": Attack(poison=_flipped_labels),
    "-A": Attack(change=_negated),
    "turned A": Attack(change=_turned),
    "backdoor": Attack(poison=_backdoor),
    "weight 10^9": Attack(change=_sign_flip, examples=10**9),
    "weight 10^18": Attack(change=_sign_flip, examples=10**18),
}


def hostile_client(attack: Attack, hostile: Collection[int]) -> inline.Client:
    """Return the app's client, of which those of the `hostile` partitions attack."""

    def answer(message: Message, context: Context) -> Message:
        partition = int(context.node_config["partition-id"])
        if partition not in hostile or message.metadata.message_type != "train":
            return client_app.app(message, context)
        t = int(str(message.content.config_records[CONFIG][ROUND]))
        received = _numpy(message.content.array_records[ARRAYS])
        with _poisoned(attack):
            reply = client_app.app(message, context)
        if reply.has_error():
            return reply
        content = reply.content
        if attack.change is not None:
            trained = _numpy(content.array_records[ARRAYS])
            sent = attack.change(received, trained, generator(1, "hostile", t, partition))
            content[ARRAYS] = ArrayRecord({key: Array(value.astype(np.float32)) for key, value in sent.items()})
        if attack.examples is not None:
            content.metric_records[METRICS][EXAMPLES] = attack.examples
        return reply

    return answer


def _poisoned(attack: Attack) -> Any:
    """A context in which the client trains on other rows."""
    honest = client_app.trainer.local_train
    if attack.poison is None:
        return patch.object(client_app.trainer, "local_train", honest)
    poison = attack.poison
    return patch.object(
        client_app.trainer,
        "local_train",
        lambda adapted, rows, *rest, **named: honest(adapted, poison(rows), *rest, **named),
    )


def _numpy(record: ArrayRecord) -> Arrays:
    return {key: array.numpy() for key, array in record.items()}


def _start(received: Arrays, key: str, like: np.ndarray) -> np.ndarray:
    return received.get(key, np.zeros_like(like))


def _symbol(key: str) -> str:
    return key.rsplit("/", 1)[1]
