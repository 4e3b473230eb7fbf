"""`python -m tests.fuzz --replies 20000`: replies, rejections by reason, escapes; exit status 1 where there is one."""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from rich.console import Console
from rich.table import Table

from tests.fuzz.harness import BOUND, CODED, NAMES, Tally, fuzz_alone


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--replies", type=int, default=20_000, help="in all, spread over methods and bounds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    options = parser.parse_args(arguments)
    cases = [(name, bound, "float32") for name in NAMES for bound in (0.0, BOUND)]
    cases += [(name, BOUND, codec) for name, codec in zip(NAMES, CODED, strict=False)]
    tally, started = Tally(), time.monotonic()
    console = Console() if sys.stdout.isatty() else Console(width=140)
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
        num_replies = -(-options.replies // len(cases))
        played = {
            pool.submit(fuzz_alone, num_replies, options.seed, name, bound, codec): (name, bound, codec)
            for name, bound, codec in cases
        }
        for done in as_completed(played):
            (name, bound, codec), case = played[done], done.result()
            tally.add(case)
            bounded = f"norm-bound {bound:g}" if bound else "no bound"
            console.print(
                f"{name}, {bounded}, {codec}: {case.replies} replies, {len(case.escapes)} escapes; "
                f"{time.monotonic() - started:.0f} s"
            )
    console.print(table(tally))
    for escape in tally.escapes[:20]:
        console.print(f"ESCAPE {escape}", markup=False)
    return int(bool(tally.escapes))


def table(tally: Tally) -> Table:
    made = Table("replies", "what came of them")
    for reason, count in tally.reasons.most_common(40):
        made.add_row(f"{count:,}", f"rejected: {reason}".replace("[", "("))
    rest = sum(tally.reasons.values()) - sum(count for _, count in tally.reasons.most_common(40))
    made.add_row(f"{rest:,}", f"rejected for {max(0, len(tally.reasons) - 40)} other reasons")
    made.add_row(f"{tally.accepted:,}", "accepted: what was changed is still within what a reply may say")
    made.add_section()
    made.add_row(f"{tally.replies:,}", "changed replies in all")
    made.add_row(f"{len(tally.escapes):,}", "escapes")
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
