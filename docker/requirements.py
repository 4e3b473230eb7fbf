"""Prints the dependencies of a pyproject.toml, one per line, without Flower's simulation engine: no Ray here."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
for requirement in project["dependencies"]:
    print(requirement.replace("flwr[simulation]", "flwr"))
