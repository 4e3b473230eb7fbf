"""Write the tables of docs/settings.md from [tool.flwr.app.config] of pyproject.toml.

python -m scripts.settings_table            # rewrite the page
python -m scripts.settings_table --check    # exit status 1 where it is out of date
"""

import re
from itertools import groupby

from scripts.pages import DOCS, ROOT, with_part, write_or_check

PAGE = DOCS / "settings.md"
BEGIN, END = "<!-- settings: made by scripts/settings_table.py -->", "<!-- end of settings -->"
GENERAL = "General"
"""The heading of the keys that are in no table of their own."""

_SECTION = re.compile(r"\[tool\.flwr\.app\.config(?:\.([\w.-]+))?\]")
_SETTING = re.compile(r'([\w-]+) = (".*?"|\S+)\s*(?:# (.*))?$')

Row = tuple[str, str, str]
"""(dotted key, default in TOML, comment)"""


def read_settings(pyproject: str) -> list[Row]:
    """Every setting, in order."""
    rows, prefix = [], None
    for line in pyproject.splitlines():
        if line.startswith("["):
            section = _SECTION.match(line)
            prefix = None if section is None else f"{section[1]}." if section[1] else ""
        elif prefix is not None and (setting := _SETTING.match(line)):
            rows.append((prefix + setting[1], setting[2], setting[3] or ""))
    return rows


def settings_table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for key, default, meaning in rows:
        words = meaning.replace("|", "\\|")
        lines.append(f"| `{key}` | `{default}` | {words} |")
    return "\n".join(lines)


def settings_sections(rows: list[Row]) -> str:
    """One heading and table for each table of the TOML file."""
    parts = []
    for table, found in groupby(rows, key=lambda row: row[0].rpartition(".")[0]):
        parts.append(f"## {table or GENERAL}\n\n{settings_table(list(found))}")
    return "\n" + "\n\n".join(parts) + "\n"


def updated_settings_page(page: str, pyproject: str) -> str:
    """The page with the tables between its two marks."""
    return with_part(page, BEGIN, END, settings_sections(read_settings(pyproject)))


def main() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    write_or_check({PAGE: lambda page: updated_settings_page(page, pyproject)})


if __name__ == "__main__":
    main()
