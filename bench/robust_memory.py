"""What the server holds for a round under each rule of robust.combine, measured.

    python -m bench.robust_memory [--clients N] [--layers L]

Each rule has a process of its own, in which N uploads of L layers (by default 20 of FedFTG's 19 MB: float32 updates
of 2 layers of 768 x 3072) arrive one after another, as they do in a round. The table shows the peak of the resident
memory beyond what the process had before the first of them, and that over the size of all uploads.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import get_args

import torch
from rich.console import Console
from rich.table import Table

from bench.peak_memory import peak_bytes
from strategies import METHODS
from strategies.protection.robust import Mean, Robustness
from strategies.server.combination import Combination
from strategies.state import State

LAYER = (768, 3072)


def measure(combine: Mean, num_clients: int, layers: int) -> int:
    """Combine so many uploads; return by how many bytes the peak of this process grew."""
    torch.set_num_threads(1)
    sizes = (layers, *LAYER)
    torch.ones(2, 3).sort(0)  # what is loaded on first use is no cost of a round
    begun = State({"768x3072": {"D": torch.zeros(sizes)}})
    before = peak_bytes()
    reduce = Robustness(combine=combine, trim=0.2).reduction
    combination = Combination(METHODS["fedftg"](), 1, begun, "cpu", reduce=reduce)
    for number in range(num_clients):
        combination.add(State({"768x3072": {"D": torch.full(sizes, float(number))}}), 1.0)
    combination.finish()
    return peak_bytes() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--layers", type=int, default=2, help="of 768 x 3072 numbers each")
    options = parser.parse_args()
    uploads = options.clients * options.layers * LAYER[0] * LAYER[1] * 4
    made = Table("robust.combine", "uploads, MB", "peak beyond the start, MB", "peak / uploads")
    for combine in get_args(Mean):
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            grown = pool.submit(measure, combine, options.clients, options.layers).result()
        made.add_row(combine, f"{uploads / 1e6:.0f}", f"{grown / 1e6:.0f}", f"{grown / uploads:.2f}")
    Console(width=100).print(made)


if __name__ == "__main__":
    main()
