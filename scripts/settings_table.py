"""Write the table of settings in README.md from [tool.flwr.app.config] of pyproject.toml.

python -m scripts.settings_table            # rewrite README.md
python -m scripts.settings_table --check    # exit status 1 where it is out of date
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- settings: made by scripts/settings_table.py -->", "<!-- end of settings -->"

_SECTION = re.compile(r"\[tool\.flwr\.app\.config(?:\.([\w.-]+))?\]")
_SETTING = re.compile(r'([\w-]+) = (".*?"|\S+)\s*(?:# (.*))?$')


def settings(pyproject: str) -> list[tuple[str, str, str]]:
    """(dotted key, default, comment) of every setting, in order."""
    rows, prefix = [], None
    for line in pyproject.splitlines():
        if line.startswith("["):
            section = _SECTION.match(line)
            prefix = None if section is None else f"{section[1]}." if section[1] else ""
        elif prefix is not None and (setting := _SETTING.match(line)):
            rows.append((prefix + setting[1], setting[2], setting[3] or ""))
    return rows


def table(rows: list[tuple[str, str, str]]) -> str:
    """The rows as Markdown."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for key, default, meaning in rows:
        words = meaning.replace("|", "\\|")
        lines.append(f"| `{key}` | `{default}` | {words} |")
    return "\n".join(lines)


def updated(readme: str, pyproject: str) -> str:
    """README with the table between its two marks."""
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}\n{table(settings(pyproject))}\n{END}{rest.split(END)[1]}"


def main() -> None:
    readme = ROOT / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = updated(old, (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if "--check" in sys.argv:
        sys.exit(int(old != new))
    readme.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
