"""What a simulated client's round costs beyond its training steps, against loading and tokenising in every call.

    python -m bench.simulation [--clients N] [--rounds T] [--repeats N] [--model FOLDER] [--output FILE]

The rival is the usual way of examples for language models with Flower: each call of the client loads the model, puts
PEFT's LoRA on it, tokenises its rows and trains. Here both loads and tokens stay in the process. Same model, the same
rows for each client, the same steps; without --model a made-up BERT of about 0.1 GB with random weights. Both work in
one process, one client after another, in turns. The rival's messages are not counted, those of this project are.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig, get_peft_model
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging

from bench.made_up_model import made_up_model
from bench.made_up_rows import made_up_rows, write_splits
from florg_app.api import run
from florg_app.tasks.tiny.grammar import LABELS

STEPS, BATCH, ROWS, RANK = 2, 8, 64, 4
"""Training steps and batch size, rows of a client, rank."""


def usual_call(model_name: Path, rows: Sequence[tuple[str, int]], targets: Sequence[str]) -> tuple[float, float]:
    """Serve one call in the usual way; (seconds of it all, of the training steps)."""
    begun = time.perf_counter()
    model = AutoModelForSequenceClassification.from_pretrained(model_name, num_labels=len(LABELS))
    model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=list(targets), bias="none"))
    tokenizer = AutoTokenizer.from_pretrained(model_name)
    texts = Dataset.from_dict({"text": [text for text, _ in rows], "labels": [label for _, label in rows]})
    tokens = texts.map(lambda part: tokenizer(part["text"], truncation=True, max_length=64), batched=True)
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-3)
    model.train()
    training = time.perf_counter()
    for step in range(STEPS):
        part = tokens[step * BATCH : (step + 1) * BATCH]
        batch = tokenizer.pad(
            {"input_ids": part["input_ids"], "attention_mask": part["attention_mask"]}, return_tensors="pt"
        )
        model(**batch, labels=torch.tensor(part["labels"])).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - begun, time.perf_counter() - training


def own_overhead(folder: Path, model_name: Path, num_clients: int, rounds: int) -> tuple[float, float]:
    """Run this project; seconds beyond training of a client's round: (in the first round, later)."""
    settings = {
        **{"num-server-rounds": rounds, "strategy.name": "fedit", "adapter.rank": RANK, "model.name": str(model_name)},
        **{"task.name": "text", "task.path": str(folder / "rows"), "task.max-length": 64, "train.max-steps": STEPS},
        **{"train.batch-size": BATCH, "evaluate.every": 0, "partition.name": "iid", "client.threads": 1},
    }
    with tempfile.TemporaryDirectory(dir=folder) as output:
        records = run(settings, clients=num_clients, output=Path(output) / "run", quiet=True).history[1:]
    beyond = [record["seconds"]["train"] / num_clients - record["train"]["seconds"] for record in records]
    return beyond[0], statistics.median(beyond[1:])


def main() -> None:
    """Measure as asked and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", type=Path, help="a folder; its layers named query and value are adapted")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    disable_progress_bars()
    usual, first, later = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = options.model or made_up_model(folder / "model", 0.1)
        rows = made_up_rows("simulation", (options.clients + 1) * ROWS)
        (folder / "rows").mkdir()
        write_splits(folder / "rows", {"validation": rows[:ROWS], "train": rows[ROWS:]})
        for _ in range(options.repeats):
            for client in range(options.clients):
                own_rows = rows[ROWS * (client + 1) : ROWS * (client + 2)]
                whole, training = usual_call(model, own_rows, ("query", "value"))
                usual.append(whole - training)
            begins, stays = own_overhead(folder, model, options.clients, options.rounds)
            first.append(begins)
            later.append(stays)
    found = {
        "in every call": statistics.median(usual),
        "here, first round": statistics.median(first),
        "here, later rounds": statistics.median(later),
    }
    table = Table("a client's round beyond its training steps", "seconds", "of the usual way")
    for way, seconds in found.items():
        table.add_row(way, f"{seconds:.3f}", f"1 / {found['in every call'] / seconds:.1f}")
    Console(width=100).print(table)
    if options.output:
        asked = {"model": options.model.name if options.model else "made up, 0.1 GB", "clients": options.clients}
        options.output.write_text(json.dumps({**asked, "seconds": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
