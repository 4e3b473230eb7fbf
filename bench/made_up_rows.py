"""Labelled texts of the embedded task's grammar as CSV files, as many as a measurement wants."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from florg_app.tasks.tiny.grammar import LABELS, grammar_rows
from strategies.rng import generator

LabelledText = tuple[str, int]


def made_up_rows(name: str, count: int) -> list[LabelledText]:
    """Draw texts with the numbers of their classes, always the same ones for a name."""
    return [(f"{first} {second}", label) for first, second, label in grammar_rows(generator(1, name), count)]


def write_splits(folder: Path, splits: Mapping[str, Sequence[LabelledText]]) -> None:
    """Write a file NAME.csv for each split, with the names of the classes."""
    for split, rows in splits.items():
        with (folder / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *((text, LABELS[label]) for text, label in rows)])
