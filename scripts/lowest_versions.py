"""Print the lowest version that pyproject.toml allows of every package that it names, as constraints for pip.

python3 -m scripts.lowest_versions > constraints-lowest.txt    # what `make constraints-lowest.txt` does
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("dev", "docs")
"""What the Makefile installs beside the application."""

_BOUND = re.compile(r"(?P<name>[\w.-]+)(?:\[[\w,-]+\])?(?:>=|==)(?P<version>[\w.]+)")


def lowest(requirement: str) -> str:
    """`name==version` with the version that the requirement begins with, as in `flwr[simulation]>=1.41,<1.43`.

    Raises ValueError for a requirement without a lower bound: then nobody knows with what it was tried.
    """
    bound = _BOUND.match(requirement)
    if bound is None:
        raise ValueError(f'pyproject.toml: "{requirement}" has no lower bound; write it as "name>=version"')
    return f"{bound['name']}=={bound['version']}"


def constraints(pyproject: str) -> str:
    """Lines for pip's option -c: what the application needs, and what its tests and documents need beside that."""
    project = tomllib.loads(pyproject)["project"]
    extras = [requirement for extra in EXTRAS for requirement in project["optional-dependencies"][extra]]
    return "\n".join(map(lowest, [*project["dependencies"], *extras]))


if __name__ == "__main__":
    print(constraints((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
