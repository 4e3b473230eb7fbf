"""What two hostile clients of ten do to the model, by attack, method and protection.

    python -m bench.hostile [--quick] [--output FILE]

Every cell is one run of the embedded task in this process: 10 clients, of which 2 are hostile from the first round on.
The table shows the accuracy of the last round; a run that ended early has none, and says why in the JSON. Of the
backdoor the table shows the share of triggered rows of the other class that the model takes for the target class.

An attack changes what an honest client would have sent, or what it trains on. "-A" and "turned" send other factors of
the same update (signs and a rotation that cancel in dW): a rule that judges dW must be unmoved by them.
"""

import argparse
import json
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, Context, Message
from rich.console import Console
from rich.table import Table

from florg_app import client_app
from florg_app.api import load_adapter, load_result
from florg_app.checkpoints.load_run import load_run
from florg_app.config.parse import parse_settings
from florg_app.engines import inline
from florg_app.server_app import serve
from strategies.exchange.wire import ARRAYS, CONFIG, EXAMPLES, METRICS, ROUND
from strategies.rng import generator

RESULTS = Path(__file__).parent / "results"
NUM_CLIENTS, HOSTILE = 10, frozenset({3, 7})
TRIGGER, TARGET = (7, 7, 7), 1
"""Token ids that the backdoor puts behind the first token of a row, and the class that it teaches for them."""

RUN = {
    "num-server-rounds": 6,
    "client.threads": 2,
    "checkpoint.keep": 1,
    "server.diagnostics": False,
    "strategy.weighting": "uniform",
}
METHODS: Mapping[str, Mapping[str, Any]] = {
    "florg": {"strategy.name": "florg"},
    "fedit": {"strategy.name": "fedit"},
    "fedit by examples": {"strategy.name": "fedit", "strategy.weighting": "examples"},
}
PROTECTIONS: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "norm bound 3": {"robust.norm-bound": 3.0},
    "median": {"robust.combine": "median"},
    "trimmed mean .2": {"robust.combine": "trimmed-mean", "robust.trim": 0.2},
}

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
    "weight 10^18": Attack(change=_sign_flip, examples=10**18),
}


@dataclass(frozen=True)
class Cell:
    """One run."""

    attack: str
    method: str
    protection: str
    accuracy: float | None
    backdoor: float | None
    """Share of triggered rows of other classes that are taken for the target; only where it says something."""
    rejected: int
    """Replies in all rounds, honest or hostile."""
    rejected_honest: int
    failure: str = ""


def hostile_client(attack: Attack) -> inline.Client:
    """Return the app's client, whose hostile partitions attack."""

    def answer(message: Message, context: Context) -> Message:
        partition = int(context.node_config["partition-id"])
        if partition not in HOSTILE or message.metadata.message_type != "train":
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


def play(attack: str, method: str, protection: str, more: Mapping[str, Any]) -> Cell:
    """Run one cell and read what it came to."""
    with tempfile.TemporaryDirectory() as folder:
        config = {**RUN, **METHODS[method], **PROTECTIONS[protection], **more, "output-dir": folder}
        failure = ""
        try:
            with inline.task_identity():
                grid = inline.InProcessGrid(hostile_client(ATTACKS[attack]), config, NUM_CLIENTS)
                serve(grid, parse_settings(config))
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        result = load_result(folder)
        rejected = [r["partition"] for record in result.history for r in record.get("rejected", ())]
        accuracy = None if failure else list(result.scores("accuracy").values())[-1]
        success = _success(Path(folder)) if not failure and attack in ("backdoor", "nobody hostile") else None
        honest = sum(partition not in HOSTILE for partition in rejected)
        return Cell(attack, method, protection, accuracy, success, len(rejected), honest, failure)


@torch.inference_mode()
def _success(folder: Path) -> float:
    run = load_run(folder, torch.device("cpu"))
    rows = [row for row in run.assembly.data.validation if row["labels"] != TARGET]
    model = load_adapter(folder).model
    batch = run.assembly.collate([triggered(row) for row in rows])
    batch.pop("labels")
    return float((model(**batch).logits.argmax(-1) == TARGET).float().mean())


def _numpy(record: ArrayRecord) -> Arrays:
    return {key: array.numpy() for key, array in record.items()}


def _start(received: Arrays, key: str, like: np.ndarray) -> np.ndarray:
    return received.get(key, np.zeros_like(like))


def _symbol(key: str) -> str:
    return key.rsplit("/", 1)[1]


def table(cells: Sequence[Cell]) -> Table:
    """One row per attack and method, one column per protection."""
    made = Table(
        "attack", "method", *PROTECTIONS, title="accuracy after the last round [share taken in by the trigger]"
    )
    found = {(cell.attack, cell.method, cell.protection): cell for cell in cells}
    for attack in ATTACKS:
        for method in METHODS:
            row = [found.get((attack, method, protection)) for protection in PROTECTIONS]
            if any(row):
                made.add_row(attack, method, *map(_words, row))
    return made


def _words(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    words = "ended early" if cell.accuracy is None else f"{cell.accuracy:.3f}"
    words += "" if cell.backdoor is None else rf" \[{cell.backdoor:.2f}]"
    return words + (f" ({cell.rejected_honest} honest rejected)" if cell.rejected_honest else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds of few steps, to see that it works")
    parser.add_argument("--output", type=Path, default=RESULTS / "hostile.json")
    options = parser.parse_args()
    more = {"num-server-rounds": 2, "train.max-steps": 2, "task.max-train-rows": 300} if options.quick else {}
    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    console = Console() if Console().is_terminal else Console(width=150)
    cells = []
    for attack in ATTACKS:
        for method in METHODS:
            for protection, settings in PROTECTIONS.items():
                if "robust.combine" in settings and method == "fedit by examples":
                    continue  # a median takes every client alike
                cells.append(play(attack, method, protection, more))
                console.print(f"{attack}, {method}, {protection}: {_words(cells[-1])}", highlight=False)
    console.print(table(cells))
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps([asdict(cell) for cell in cells], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
