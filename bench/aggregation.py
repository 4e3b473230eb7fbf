"""Time FLoRG's server step: closed form, truncation and the literal algorithm against a plain copy of the uploads.

    python -m bench.aggregation [--device cuda] [--threads 1] [--full] [--output FILE]

A step is what the server does in a round: widen every client's float32 upload to float64, fold it in, finish, and cast
the new factor to float32. The copy clones the uploaded float32 numbers, so it is the cost of reading them once and
writing them once. Copy and steps take turns within one run, so that a busy machine slows all of them.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from strategies.methods.florg import FLoRG, Solver
from strategies.server.combination import aggregate

SHAPES = ((48, 1024), (28, 3072))
"""(layers, k): query and value of a 24-layer encoder of width 1024; one square projection of 28 layers, width 3072."""
QUICK_LAYERS = {1024: 4, 3072: 1}
"""Layers on which the literal solver is timed without --full, by k: it works layer by layer, so its time scales."""


@dataclass(frozen=True)
class Timing:
    """Seconds of one step over all layers."""

    step: str
    layers: int
    k: int
    median: float
    least: float
    most: float
    repeats: int
    timed_layers: int
    """Fewer than `layers` where the time is scaled up from a part."""
    copies: float
    """least / least of the copy: on a busy machine the least times come nearest to those of a quiet one"""
    deviation: float | None
    """||A - A_literal|| / ||A_literal|| of the new factor, in the first layer"""


def seconds(step: Callable[[], object], device: torch.device) -> float:
    """Wall-clock time of one call, with the device's queue drained before and after."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def take_turns(steps: dict[str, Callable[[], object]], repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Times of every step, after one call of each that does not count."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        seconds(step, device)
    for _ in range(repeats):
        for name, step in steps.items():
            times[name].append(seconds(step, device))
    return times


def solve(solver: Solver, A: Tensor, uploads: Tensor) -> Tensor:
    """A^{t+1} from uploads (n, l, r, k) of equal weight."""
    clients = [{"A": upload} for upload in uploads]
    return aggregate(FLoRG(solver=solver), 1, {"A": A}, clients, [1.0] * len(clients))["A"]


def measure(layers: int, k: int, args: argparse.Namespace, device: torch.device) -> list[Timing]:
    """All timings for one shape."""
    source = torch.Generator().manual_seed(0)
    A = torch.randn(layers, args.rank, k, generator=source).to(device)
    noise = torch.randn(args.clients, layers, args.rank, k, generator=source).to(device)
    uploads = A + 0.3 * noise
    part = layers if args.full else min(layers, QUICK_LAYERS.get(k, layers))

    quick = {"copy": uploads.clone, "closed-form": lambda: solve("closed-form", A, uploads)}
    times = take_turns(quick, args.repeats, device)
    times |= take_turns({"truncate": lambda: solve("truncate", A, uploads)}, 3, device)
    times["literal"] = [seconds(lambda: solve("literal", A[:part], uploads[:, :part]), device) * layers / part]

    exact = solve("literal", A[:1], uploads[:, :1])
    deviations = {
        solver: float((solve(solver, A[:1], uploads[:, :1]) - exact).norm() / exact.norm())
        for solver in ("closed-form", "truncate")
    }
    return [
        Timing(
            step=step,
            layers=layers,
            k=k,
            median=statistics.median(values),
            least=min(values),
            most=max(values),
            repeats=len(values),
            timed_layers=part if step == "literal" else layers,
            copies=min(values) / min(times["copy"]),
            deviation=deviations.get(step),
        )
        for step, values in times.items()
    ]


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} threads"


def table(timings: list[Timing], title: str) -> Table:
    """One row per step and shape; times in milliseconds."""
    rows = Table(title=title)
    for column in ("l x k", "step", "median ms", "least ms", "most ms", "x copy", "x faster", "from literal"):
        rows.add_column(column, justify="left" if column == "step" else "right", no_wrap=True)
    for timing in timings:
        literal = next(other for other in timings if other.step == "literal" and other.k == timing.k)
        scaled = timing.timed_layers < timing.layers
        rows.add_row(
            f"{timing.layers} x {timing.k}",
            f"{timing.step} ({timing.timed_layers} layers, scaled)" if scaled else timing.step,
            *(f"{value * 1e3:.2f}" for value in (timing.median, timing.least, timing.most)),
            f"{timing.copies:.1f}",
            f"{literal.least / timing.least:.0f}",
            "" if timing.deviation is None else f"{timing.deviation:.0e}",
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Time FLoRG's server step against a plain copy of the uploads.")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rank", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch on the CPU")
    parser.add_argument("--full", action="store_true", help="time the literal solver on all layers")
    parser.add_argument("--output", type=Path, help="default: bench/results/aggregation-<device>.json")
    args = parser.parse_args()
    device = torch.device(args.device)
    torch.set_num_threads(args.threads)
    timings = [timing for layers, k in SHAPES for timing in measure(layers, k, args, device)]
    setting = {
        "device": device_name(device),
        "torch": torch.__version__,
        "clients": args.clients,
        "rank": args.rank,
        "uploads": "float32",
        "arithmetic": "float64",
        "load_average": os.getloadavg()[0],
    }
    title = (
        f"{setting['device']}, load {setting['load_average']:.1f}, torch {torch.__version__}: "
        f"n = {args.clients}, r = {args.rank}, float32 -> float64"
    )
    Console(width=120).print(table(timings, title))
    output = args.output or Path(f"bench/results/aggregation-{device.type}.json")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({**setting, "timings": [asdict(timing) for timing in timings]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
