"""`python -m tests.mutants`: make the declared faults and a sample of those by machine; exit status 1 if one survives.

The tests that run a faulty line are tried, the nearest and quickest first, until one fails. Which run it is measured
once, which takes the time of all of them; with --near the tests of the fault's own folder are tried instead.
"""

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console

from tests.mutants import generated, mutant, selection, table
from tests.mutants.mutant import Mutant
from tests.mutants.play import Played, Stage, stage
from tests.mutants.selection import Coverage, Nearest
from tests.mutants.table import Line
from tests.support.repository import REPOSITORY

PLACES = ("strategies", "clients", "florg_app/tasks")
NEAR = 25
"""So many tests are tried first, in a process of their own: most faults are noticed there."""

KEPT = REPOSITORY / ".mutants"
"""What is known of which test runs which line."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="faults whose name or file contains this")
    parser.add_argument(
        "--sample", type=int, default=300, help="faults by machine, of all; 0 = the declared ones alone"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--near", action="store_true", help="try tests by their place, without measuring")
    options = parser.parse_args(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=200)
    chosen = [m for m in faults(options.sample, options.seed) if options.only in m.name or options.only in m.file]
    with stage(REPOSITORY) as copy:
        known = Nearest(copy.root) if options.near else selection.measure(copy, KEPT)
        found = []
        for number, each in enumerate(chosen, 1):
            found.append(play(copy, known, each))
            line = found[-1]
            console.print(
                f"[{number}/{len(chosen)}] {line.fate}: {each.name}  {line.by}", markup=False, highlight=False
            )
            if line.fate != "noticed":
                console.print(table.change(each), markup=False, highlight=False)
    console.print(table.table([line for line in found if line.fate != "noticed"] or found))
    console.print(table.summary(found), highlight=False)
    return int(any(line.fate != "noticed" for line in found))


def faults(number: int, seed: int) -> list[Mutant]:
    """Those to make. Raises ValueError where a declared or an equivalent one does not fit its file any more."""
    known = mutant.equivalents()
    for each in [*mutant.declared(), *(e.mutant for e in known)]:
        each.lines((REPOSITORY / each.file).read_text(encoding="utf-8"))
    files = [str(p.relative_to(REPOSITORY)) for place in PLACES for p in sorted((REPOSITORY / place).rglob("*.py"))]
    candidates = [found for file in files for found in generated.mutants(REPOSITORY, file)]
    return mutant.declared() + mutant.without(generated.sample(candidates, number, seed), known)


def play(copy: Stage, known: Coverage | Nearest, each: Mutant) -> Line:
    text = (copy.root / each.file).read_text(encoding="utf-8")
    tests, start = known.of(each.file, each.lines(text)), time.monotonic()
    with copy.faulty(each.file, each.applied(text)):
        # The files as a whole last: what a cache or a fixture made was measured in the first test that needed it alone.
        files = [] if isinstance(known, Nearest) else sorted({test.partition("::")[0] for test in tests})
        first = [each.test] if each.test else []
        quick = ["-m", selection.FAST]
        for part in (first, tests[:NEAR], tests[NEAR:], files):
            if part and (played := copy.play([*quick, *part])).verdict is Played.FAILED:
                return Line(each, "noticed", noticing(played.words), time.monotonic() - start)
    return Line(each, "SURVIVED" if tests else "RUN BY NO TEST", "", time.monotonic() - start)


def noticing(words: str) -> str:
    """The test that failed, or that could not even be collected, by pytest's words."""
    lines = [
        line.split(" - ")[0].split(maxsplit=1)[1] for line in words.splitlines() if line[:6] in ("FAILED", "ERROR ")
    ]
    return Path(lines[0]).name if lines else "it hangs, or its process dies"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
