"""Which tests run which lines, measured once per test file and kept until the code or the test file changes."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.play import Played, Stage

NEAR = ("strategies", "clients", "florg_app/tasks", "florg_app/data", "florg_app/client_side", "florg_app/test_app.py")
"""Where below tests/ the laws are that a fault must break: not in whole commands, documents and deployments."""

FAST = "not slow and not gpu and not deployment"

_PLUGIN = "tests.mutants.measure"


@dataclass(frozen=True)
class Coverage:
    """The quick tests by what they run."""

    by_line: dict[tuple[str, int], frozenset[str]]
    """(file, line) -> node ids; what runs at import has none."""
    by_file: dict[str, frozenset[str]]
    seconds: dict[str, float]
    """By node id."""

    def of(self, file: str, lines: Sequence[int]) -> list[str]:
        """Node ids of tests to try, the nearest and quickest first: those that run a line, else those of the file."""
        found = frozenset[str]().union(*(self.by_line.get((file, line), frozenset()) for line in lines))
        return sorted(found or self.by_file.get(file, frozenset()), key=lambda node: (self._far(file, node), node))

    def _far(self, file: str, node: str) -> tuple[int, float]:
        """(folders that the test's path does not share with that of the code, seconds in steps)."""
        mine, its = Path(file).parent.parts, Path(node.partition("::")[0]).parent.parts[1:]
        shared = next((i for i, (a, b) in enumerate(zip(mine, its, strict=False)) if a != b), min(len(mine), len(its)))
        return -shared, round(self.seconds[node], 1)


@dataclass(frozen=True)
class Nearest:
    """The quick tests by where they lie, without any measurement: a file's own folder, those above it, all others."""

    root: Path
    """The repository's."""

    def of(self, file: str, lines: Sequence[int]) -> list[str]:
        """Test files to try, the nearest first; the lines play no part."""
        own, places = Path(file), []
        words = set(own.stem.split("_")) - {"test"}
        folder = self.root / "tests" / own.parent
        while folder != self.root / "tests" and folder.is_relative_to(self.root / "tests"):
            places.append(folder)
            folder = folder.parent
        near = dict.fromkeys(path for place in places if place.is_dir() for path in sorted(place.rglob("test_*.py")))
        named = sorted(near, key=lambda path: -len(words & set(path.stem.split("_"))))
        far = [path for path in files_of_tests(self.root) if path not in near]
        return [str(path.relative_to(self.root)) for path in (*named, *far)]


def files_of_tests(root: Path) -> list[Path]:
    """Return the files below the places of NEAR."""
    tests = root / "tests"
    found = {file for place in NEAR for file in [*(tests / place).rglob("test_*.py"), tests / place] if file.is_file()}
    return sorted(found)


def measure(stage: Stage, kept: Path) -> Coverage:
    """What every quick test runs; measured where `kept` does not know. Raises RuntimeError where one fails."""
    by_line: dict[tuple[str, int], set[str]] = defaultdict(set)
    seconds: dict[str, float] = {}
    for file in files_of_tests(stage.root):
        document = _of_file(stage, str(file.relative_to(stage.root)), kept)
        seconds |= document["seconds"]
        for source, lines in document["lines"].items():
            for line, nodes in lines.items():
                by_line[source, int(line)].update(nodes)
    by_file: dict[str, set[str]] = defaultdict(set)
    for (source, _), nodes in by_line.items():
        by_file[source] |= nodes
    return Coverage(
        {place: frozenset(nodes) for place, nodes in by_line.items()},
        {source: frozenset(nodes) for source, nodes in by_file.items()},
        seconds,
    )


def _of_file(stage: Stage, name: str, kept: Path) -> dict:
    """What the quick tests of this file run: {"lines": {file: {line: [test]}}, "seconds": {test: s}}."""
    known = kept / f"{name.replace('/', '.')}.json"
    if known.exists():
        document = json.loads(known.read_text())
        if all(_digest(stage.root / file) == digest for file, digest in document["digests"].items()):
            return document
    kept.mkdir(parents=True, exist_ok=True)
    measured = known.with_suffix(".measured")  # what was measured counts once it is known of which files
    measured.unlink(missing_ok=True)
    played = stage.play(["-p", _PLUGIN, "--measured", str(measured), "-m", FAST, name])
    if played.verdict is Played.FAILED:
        raise RuntimeError(f"{name} fails without any fault:\n{played.words}")
    document = json.loads(measured.read_text()) if measured.exists() else {"lines": {}, "seconds": {}}
    document["digests"] = {file: _digest(stage.root / file) for file in [name, *document["lines"]]}
    measured.write_text(json.dumps(document))
    measured.replace(known)
    return document


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""
