"""Whether rounds stay as quick and as small as a simulation goes on with many clients of whom few take part.

    python -m bench.many_clients [--clients N] [--rounds T] [--asked N] [--ray] [--plot FILE] [--output FILE]

A run of the embedded model on made-up rows, by default of 1,000 clients of which ten are asked a round, in one process,
or with --ray in Flower's simulation. From its history and its processes: seconds of each round, and the memory of all
its processes at the end of each (shared pages counted once where the system says so). Compared are the medians of the
last and of the first quarter of the rounds after the first: 1 where nothing grows.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from bench.made_up_rows import made_up_rows, write_splits

ROOT = Path(__file__).parents[1]
ROWS_PER_CLIENT = 8
TRAINING = ("train.max-steps=2", "train.batch-size=2", "evaluate.every=0", "partition.name=iid", "checkpoint.every=10")


def write_rows(folder: Path, num_clients: int) -> None:
    """Write the rows of all clients, and some to validate on, as CSV files."""
    rows = made_up_rows("many-clients", ROWS_PER_CLIENT * num_clients + 100)
    write_splits(folder, {"train": rows[100:], "validation": rows[:100]})


def memory_of(process: psutil.Process) -> int:
    """Return the bytes of a process and all that it started: proportional shares where the system knows them."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            full = one.memory_full_info()
            total += getattr(full, "pss", full.rss)
        except psutil.Error:  # it has ended meanwhile
            continue
    return total


def follow(command: Sequence[str], history: Path, env: dict[str, str]) -> list[tuple[float, int]]:
    """Run it; (seconds, bytes) of each round but round 0. Raises SystemExit where it fails."""
    with tempfile.TemporaryFile("w+") as words:
        process = subprocess.Popen(command, env=env, stdout=words, stderr=words)
        tree, sizes = psutil.Process(process.pid), list[int]()
        while process.poll() is None:
            rounds = len(history.read_text().splitlines()) if history.exists() else 0
            if rounds > len(sizes):
                sizes += [memory_of(tree)] * (rounds - len(sizes))
            time.sleep(0.2)
        words.seek(0)
        if process.returncode:
            raise SystemExit(words.read())
    records = [json.loads(line) for line in history.read_text().splitlines()]
    seconds = [float(sum(record["seconds"].values())) for record in records]
    sizes += sizes[-1:] * (len(seconds) - len(sizes))
    return [(taken, size) for taken, size in zip(seconds, sizes, strict=True)][1:]


def growth(values: Sequence[float]) -> float:
    """Return the median of the last quarter over that of the first, without the first round, which loads."""
    later = values[1:]
    quarter = max(1, len(later) // 4)
    return statistics.median(later[-quarter:]) / statistics.median(later[:quarter])


def plotted(rounds: Sequence[tuple[float, int]], title: str) -> Figure:
    """Seconds and memory by round, one above the other."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    numbers = range(1, len(rounds) + 1)
    above.plot(numbers, [seconds for seconds, _ in rounds], marker=".")
    below.plot(numbers, [size / 1e9 for _, size in rounds], marker=".", color="tab:orange")
    above.set(title=title, ylabel="seconds of the round", ylim=(0, None))
    below.set(xlabel="round", ylabel="memory, GB", ylim=(0, None))
    return figure


def main() -> None:
    """Measure as asked, print the table and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--asked", type=int, default=10, help="clients of a round")
    parser.add_argument("--ray", action="store_true", help="Flower's simulation instead of one process")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    engine = "Ray" if options.ray else "one process"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder, options.clients)
        settings = [f"num-server-rounds={options.rounds}", f"fraction-train={options.asked / options.clients}"]
        settings += [f"min-clients={options.clients}", "task.name=text", f"task.path={folder}", *TRAINING]
        command = [str(Path(sys.executable).parent / "florg"), "run", "--app", str(ROOT), "--plain"]
        command += ["--clients", str(options.clients)]
        command += [*([] if options.ray else ["--inline"]), "--output", str(folder / "run")]
        command += [f"--set={setting}" for setting in settings]
        begun = time.monotonic()
        rounds = follow(command, folder / "run/history.jsonl", {**os.environ, "OMP_NUM_THREADS": "1"})
        whole = time.monotonic() - begun
    seconds, sizes = [one for one, _ in rounds], [float(size) for _, size in rounds]
    growing = "later / earlier"
    table = Table("engine", "clients", "asked", "rounds", "command, s", "round, s", growing, "GB", growing)
    table.add_row(
        *(engine, f"{options.clients:,}", str(options.asked), str(options.rounds), f"{whole:.0f}"),
        *(f"{statistics.median(seconds):.2f}", f"{growth(seconds):.2f}"),
        *(f"{statistics.median(sizes) / 1e9:.2f}", f"{growth(sizes):.2f}"),
    )
    Console(width=110).print(table)
    if options.plot:
        plotted(rounds, f"{options.clients:,} clients, {options.asked} asked a round, {engine}").savefig(options.plot)
    if options.output:
        asked = {"engine": engine, "clients": options.clients, "asked": options.asked, "command-seconds": whole}
        options.output.write_text(json.dumps({**asked, "seconds": seconds, "bytes": sizes}, indent=1) + "\n")


if __name__ == "__main__":
    main()
