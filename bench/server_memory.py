"""What a round holds on the server as more clients take part, with and without diagnostics, measured.

    python -m bench.server_memory [--clients 10,100,1000] [--methods florg,fedit,fedftg] [--output FILE]

Each cell has a process of its own, in which so many uploads of four layers of 768 x 768 at rank 4 arrive one after
another, as they do in a round; the new state and the diagnostics are made of them. The table shows the peak of the
resident memory beyond what the process had before the first of them, and that over the peak with the fewest clients:
1 where memory does not depend on the number of clients.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from bench.peak_memory import peak_bytes
from strategies import METHODS
from strategies.parametrisation import PARAMETRISATIONS
from strategies.server.combination import Combination
from strategies.server.diagnostics import for_norms
from strategies.server.mean_update import MeanUpdate
from strategies.state import Group, State

GROUP = Group(768, 768, tuple(f"layer-{number}" for number in range(4)))
RANK = 4


def measure(name: str, num_clients: int, diagnostics: bool) -> int:
    """Make a round of so many uploads; return by how many bytes the peak of this process grew."""
    torch.set_num_threads(1)
    method, kind = METHODS[name](), PARAMETRISATIONS[METHODS[name]().plan.adapter]
    fixed = method.fixed(
        GROUP, RANK, 1, lambda group: torch.zeros(len(group.layers), group.out_features, group.in_features)
    )
    begun = State({GROUP.name: method.initial(GROUP, RANK, 1)})
    torch.linalg.qr(torch.eye(3))  # what is loaded on first use is no cost of a round
    rng = torch.Generator().manual_seed(0)
    before = peak_bytes()
    mean = MeanUpdate(kind, for_norms(fixed, torch.device("cpu")), 1.0, begun[GROUP.name]) if diagnostics else None
    combination = Combination(method, 1, begun, "cpu", {GROUP.name: mean} if mean else {})
    for _ in range(num_clients):
        noise = begun.map(lambda tensor: tensor + 0.01 * torch.randn(tensor.shape, generator=rng))
        combination.add(noise, 1.0)
    new = combination.finish()
    if mean:
        mean.error_of(new[GROUP.name], combination.weights)
    return peak_bytes() - before


def main() -> None:
    """Measure as asked and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", default="10,100,1000")
    parser.add_argument("--methods", default="florg,fedit,fedftg")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    counts = [int(count) for count in options.clients.split(",")]
    table = Table("method", "diagnostics", *(f"{count} clients, MB" for count in counts), "most / fewest clients")
    cells = []
    for name in options.methods.split(","):
        for diagnostics in (False, True):
            grown = []
            for count in counts:
                with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                    grown.append(pool.submit(measure, name, count, diagnostics).result())
            table.add_row(
                name, "on" if diagnostics else "off", *(f"{g / 1e6:.0f}" for g in grown), f"{grown[-1] / grown[0]:.2f}"
            )
            cells.append({"method": name, "diagnostics": diagnostics, "clients": counts, "bytes": grown})
    Console(width=110).print(table)
    if options.output:
        options.output.write_text(json.dumps({"group": GROUP.name, "rank": RANK, "cells": cells}, indent=1) + "\n")


if __name__ == "__main__":
    main()
