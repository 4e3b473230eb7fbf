"""What each phase between the clients' bytes and the next broadcast costs, as multiples of a plain copy of the uploads.

    python -m bench.server_path [--clients N] [--layers L] [--width K] [--methods ...] [--repeats N] [--output FILE]

One round on one thread, of square projections of `width` at rank 4. Phases:

    unpack       arrays of the replies checked and read, as `strategies.exchange.wire.unpack` does
    combine      every upload folded in
    finish       the new state made of the sum
    diagnostics  the mean update gathered and its distance from the new state
    pack         the new state made arrays of the broadcast

The copy clones the uploaded float32 numbers. Phases and copy take turns; the least time of each counts, which on a busy
machine is nearest to a quiet one's. What Flower itself spends on messages is not in it.
"""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from strategies import METHODS
from strategies.exchange.array_reader import Malformed
from strategies.exchange.wire import pack, unpack
from strategies.manifest import Manifest, state_at_start
from strategies.parametrisation import PARAMETRISATIONS
from strategies.server.combination import Combination
from strategies.server.diagnostics import for_norms
from strategies.server.mean_update import MeanUpdate
from strategies.state import Group, State

RANK = 4
PHASES = ("unpack", "combine", "finish", "diagnostics", "pack")


class Stopwatch:
    """The least seconds of each phase over all repeats."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = {}
        self.least: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add what the block takes to a phase of this repeat."""
        start = time.perf_counter()
        yield
        self._spent[name] = self._spent.get(name, 0.0) + time.perf_counter() - start

    def next_repeat(self) -> None:
        """Begin another repeat."""
        for name, seconds in self._spent.items():
            self.least[name] = min(seconds, self.least.get(name, seconds))
        self._spent = {}


def measure(name: str, group: Group, num_clients: int, repeats: int) -> dict[str, float]:
    """Make rounds of this method; return the least seconds of the copy and of each phase."""
    method = METHODS[name]()
    rng = torch.Generator().manual_seed(0)
    weights = torch.randn(len(group.layers), group.out_features, group.in_features, generator=rng) / group.k**0.5
    fixed = method.fixed(group, RANK, 1, lambda g: weights)
    manifest = Manifest(name, method.plan, (group,), (), RANK, 1.0, 1)
    made = {**method.initial(group, RANK, 1), **method.from_weights(group, RANK, 1.0, lambda g: weights)}
    held = State({group.name: made}).select(manifest.held)
    begun = state_at_start(method, manifest, held, 1)
    trained = begun.map(lambda tensor: tensor + 0.01 * torch.randn(tensor.shape, generator=rng))
    record = pack(trained, manifest.uplink)
    upload = unpack(record, manifest.uplink)
    assert not isinstance(upload, Malformed)
    kind, bases, watch = PARAMETRISATIONS[method.plan.adapter], for_norms(fixed, torch.device("cpu")), Stopwatch()
    for _ in range(repeats):
        with watch.phase("copy"):
            for _ in range(num_clients):
                upload.map(torch.clone)
        mean = MeanUpdate(kind, bases, 1.0, begun[group.name])
        combination = Combination(method, 1, begun, "cpu")
        for _ in range(num_clients):
            with watch.phase("unpack"):
                arrived = unpack(record, manifest.uplink)
            assert not isinstance(arrived, Malformed)
            with watch.phase("combine"):
                combination.add(arrived, 1.0)
            with watch.phase("diagnostics"):
                mean.add(arrived[group.name], 1.0)
        with watch.phase("finish"):
            new = combination.finish()
        with watch.phase("diagnostics"):
            mean.error_of(state_at_start(method, manifest, new, 2)[group.name], combination.weights)
        with watch.phase("pack"):
            pack(new, _sizes_now(new, manifest))
        watch.next_repeat()
    return watch.least


def _sizes_now(state: State, manifest: Manifest) -> dict[str, tuple[int | None, ...]]:
    """Of the broadcast: what the state has of it."""
    return {key: tuple(state.flat[key].shape) for key in manifest.downlink if key in state.flat}


def main() -> None:
    """Measure as asked and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--methods", default="florg,fedit,fedex-lora,flexlora,fedftg")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    group = Group(options.width, options.width, tuple(f"layer-{number}" for number in range(options.layers)))
    table = Table("method", "a copy, ms", *(f"{phase}, copies" for phase in PHASES), "all")
    found = {}
    for name in options.methods.split(","):
        least = measure(name, group, options.clients, options.repeats)
        copies = {phase: least[phase] / least["copy"] for phase in PHASES}
        total = sum(copies.values())
        table.add_row(name, f"{1e3 * least['copy']:.2f}", *(f"{copies[p]:.1f}" for p in PHASES), f"{total:.1f}")
        found[name] = {"copy-seconds": least["copy"], **copies}
    Console(width=120).print(table)
    if options.output:
        asked = {"clients": options.clients, "layers": options.layers, "width": options.width, "rank": RANK}
        options.output.write_text(json.dumps({**asked, "threads": 1, "methods": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
