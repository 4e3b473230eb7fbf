"""What two hostile clients of ten do to the model, by attack, method and protection.

    python -m bench.hostile [--quick] [--output FILE] [--workers N]

Every cell is one run of the embedded task: 10 clients, of which 2 are hostile from the first round on. The table shows
the accuracy of the last round, and behind it by how much the attack moved the model: the mean difference of the
probabilities that it gives to the validation rows from those where nobody is hostile, same method and protection. Of
the backdoor it shows the share of triggered rows of the other class that the model takes for the target class, and that
where nobody is hostile. `python -m scripts.hostile_table` puts the results into docs/hostile-clients.md.

An attack changes what an honest client would have sent, or what it trains on. "-A" and "turned A" send other factors of
the same update (signs and a rotation that cancel in dW): a rule that judges dW must be unmoved by them.
"""

import argparse
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from rich.console import Console
from rich.table import Table
from torch import Tensor

from bench.hostile_attacks import ATTACKS, TARGET, hostile_client, triggered
from florg_app.api import load_adapter, load_result
from florg_app.checkpoints.load_run import load_run
from florg_app.config.parse import parse_settings
from florg_app.engines import inline
from florg_app.server_app import serve

RESULTS = Path(__file__).parent / "results" / "hostile.json"
NUM_CLIENTS, HOSTILE = 10, frozenset({3, 7})
HONEST = "nobody hostile"

RUN = {
    "num-server-rounds": 6,
    "task.max-train-rows": 640,
    "task.max-validation-rows": 240,
    "evaluate.every": 6,
    "client.threads": 1,
    "checkpoint.keep": 1,
    "server.diagnostics": False,
}
METHODS: Mapping[str, Mapping[str, Any]] = {
    "florg": {"strategy.name": "florg", "strategy.weighting": "uniform"},
    "fedit": {"strategy.name": "fedit", "strategy.weighting": "uniform"},
    "fedit by examples": {"strategy.name": "fedit", "strategy.weighting": "examples"},
}
PROTECTIONS: Mapping[str, Mapping[str, Any]] = {
    "none": {"robust.max-share": 1.0},
    "max-share .2": {"robust.max-share": 0.2},
    "norm bound 3": {"robust.norm-bound": 3.0},
    "median": {"robust.combine": "median"},
    "trimmed mean .2": {"robust.combine": "trimmed-mean", "robust.trim": 0.2},
}


@dataclass(frozen=True)
class Cell:
    """One run."""

    attack: str
    method: str
    protection: str
    accuracy: float | None
    triggered: float | None
    """Share of triggered rows of other classes that are taken for the target."""
    rejected: int
    """Replies in all rounds, honest or hostile."""
    rejected_honest: int
    failure: str = ""
    moved: float | None = None
    """Mean absolute difference of the probabilities of validation rows from those where nobody is hostile."""


def _goes_together(attack: str, method: str, protection: str) -> bool:
    """Whether a cell is one of its own: a median takes all clients alike, uniform weights depend on no claim."""
    if METHODS[method]["strategy.weighting"] == "uniform":
        return protection != "max-share .2" and ATTACKS[attack].examples is None
    lies = attack == HONEST or ATTACKS[attack].examples is not None
    return "robust.combine" not in PROTECTIONS[protection] and lies


CASES = [
    (attack, method, protection)
    for attack in ATTACKS
    for method in METHODS
    for protection in PROTECTIONS
    if _goes_together(attack, method, protection)
]


def play(
    attack: str, method: str, protection: str, more: Mapping[str, Any]
) -> tuple[Cell, Float[Tensor, "rows c"] | None]:
    """Run one cell; return what it came to, and the probabilities that its model gives to the validation rows."""
    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        config = {**RUN, **METHODS[method], **PROTECTIONS[protection], **more, "output-dir": folder}
        failure = ""
        try:
            with inline.task_identity():
                grid = inline.InProcessGrid(hostile_client(ATTACKS[attack], HOSTILE), config, NUM_CLIENTS)
                serve(grid, parse_settings(config))
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        result = load_result(folder)
        rejected = [r["partition"] for record in result.history for r in record.get("rejected", ())]
        honest = sum(partition not in HOSTILE for partition in rejected)
        if failure:
            return Cell(attack, method, protection, None, None, len(rejected), honest, failure), None
        accuracy = list(result.scores("accuracy").values())[-1]
        probabilities, success = _scores(Path(folder))
        return Cell(attack, method, protection, accuracy, success, len(rejected), honest), probabilities


@torch.inference_mode()
def _scores(folder: Path) -> tuple[Float[Tensor, "rows c"], float]:
    """The probabilities of the validation rows, and the share of triggered rows that go over to the target."""
    run = load_run(folder, torch.device("cpu"))
    rows, model = list(run.assembly.data.validation), load_adapter(folder).model

    def probabilities(some: list[Any]) -> Float[Tensor, "rows c"]:
        batch = run.assembly.collate(some)
        batch.pop("labels")
        return model(**batch).logits.softmax(-1)

    over = probabilities([triggered(row) for row in rows if row["labels"] != TARGET]).argmax(-1) == TARGET
    return probabilities(rows), float(over.float().mean())


def play_all(more: Mapping[str, Any], workers: int | None, console: Console, output: Path) -> list[Cell]:
    """Run every cell, in so many processes; `output` has those that are done."""
    cells: list[Cell] = []
    untouched: dict[tuple[str, str], Float[Tensor, "rows c"]] = {}
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for made in [pool.submit(play, *case, more) for case in CASES]:  # those where nobody is hostile come first
            cell, found = made.result()
            if cell.attack == HONEST and found is not None:
                untouched[cell.method, cell.protection] = found
            elif found is not None:
                moved = float((found - untouched[cell.method, cell.protection]).abs().mean())
                cell = Cell(**{**asdict(cell), "moved": moved})
            cells.append(cell)
            output.write_text(json.dumps([asdict(one) for one in cells], indent=1) + "\n", encoding="utf-8")
            console.print(
                f"{cell.attack}, {cell.method}, {cell.protection}: {words(cell)}", highlight=False, markup=False
            )
    return cells


def words(cell: Cell | None) -> str:
    """Say what became of a cell; None: it has no meaning."""
    if cell is None:
        return "–"
    if cell.accuracy is None:
        return "ended early"
    said = f"{cell.accuracy:.3f}"
    if cell.moved is not None:
        said += (
            ", same bits"
            if cell.moved == 0
            else f", moved {cell.moved:.1g}"
            if cell.moved < 0.01
            else f", moved {cell.moved:.2f}"
        )
    if cell.attack in (HONEST, "backdoor"):
        said += f", trigger {cell.triggered:.2f}"
    return said + (f", {cell.rejected_honest} honest rejected" if cell.rejected_honest else "")


def rows_of(cells: list[Cell]) -> list[list[str]]:
    """Return one row per attack and method: both, then a word for each protection."""
    found = {(cell.attack, cell.method, cell.protection): cell for cell in cells}
    return [
        [attack, method, *(words(found.get((attack, method, protection))) for protection in PROTECTIONS)]
        for attack in ATTACKS
        for method in METHODS
        if any((attack, method, protection) in found for protection in PROTECTIONS)
    ]


def table(cells: list[Cell]) -> Table:
    """The results for a terminal."""
    made = Table("attack", "method", *PROTECTIONS, title="accuracy after the last round")
    for row in rows_of(cells):
        made.add_row(*row)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds of few steps, to see that it works")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    options = parser.parse_args()
    more = {"num-server-rounds": 2, "train.max-steps": 2, "task.max-train-rows": 300} if options.quick else {}
    console = Console() if Console().is_terminal else Console(width=170)
    options.output.parent.mkdir(exist_ok=True)
    console.print(table(play_all(more, options.workers, console, options.output)))


if __name__ == "__main__":
    main()
