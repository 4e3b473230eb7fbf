"""Write the table of docs/hostile-clients.md from what `python -m bench.hostile` measured.

python -m scripts.hostile_table            # rewrite the page
python -m scripts.hostile_table --check    # exit status 1 where it is out of date
"""

import json

from bench.hostile import PROTECTIONS, RESULTS, Cell, rows_of
from scripts.pages import DOCS, with_part, write_or_check

RESULTS_PART = "<!-- results: made by scripts/hostile_table.py -->", "<!-- end of results -->"


def read_results() -> list[Cell]:
    """Return the cells of the last full measurement."""
    return [Cell(**cell) for cell in json.loads(RESULTS.read_text(encoding="utf-8"))]


def results_markdown(cells: list[Cell]) -> str:
    """Return one row for each attack and method, and a column for each protection."""
    head = ["attack", "method", *PROTECTIONS]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows_of(cells)])


def updated_hostile_page(page: str) -> str:
    """Return docs/hostile-clients.md with the table of what was measured."""
    return with_part(page, *RESULTS_PART, results_markdown(read_results()))


def main() -> None:
    write_or_check({DOCS / "hostile-clients.md": updated_hostile_page})


if __name__ == "__main__":
    main()
