"""Pages of documents with generated parts: what stands between two marks is replaced, the rest is written by hand."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def with_part(page: str, begin: str, end: str, part: str) -> str:
    """The page with `part` on lines of its own between the first mark `begin` and the next `end`.

    Raises ValueError where a mark is missing.
    """
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the marks {begin!r} and {end!r} are not both in the page")
    return f"{before}{begin}\n{part}\n{end}{after}"


def write_or_check(pages: Mapping[Path, Callable[[str], str]]) -> None:
    """Rewrite each page by its function; with --check leave them and exit with status 1 where one is out of date."""
    stale = []
    for path, update in pages.items():
        old = path.read_text(encoding="utf-8")
        new = update(old)
        if old != new:
            stale.append(path)
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    if "--check" in sys.argv and stale:
        sys.exit(f"out of date: {', '.join(str(path.relative_to(ROOT)) for path in stale)}; run: make tables")
