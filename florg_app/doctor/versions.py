"""Are Python and the packages those that pyproject.toml asks for?"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from florg_app.doctor.finding import Finding

SHOWN = {"flwr", "torch", "transformers", "datasets"}
"""Packages with a line of their own also where they fit."""


def installed(package: str) -> str | None:
    """The version of an installed package; None where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def check_versions(
    project: Mapping[str, Any], find: Callable[[str], str | None] = installed, python: str = platform.python_version()
) -> Iterator[Finding]:
    """Verdicts on `project`, the [project] table: Python and the packages in SHOWN, then those that do not fit."""
    fits = SpecifierSet(project["requires-python"]).contains(python)
    remedy = "" if fits else f"make .venv with a Python {project['requires-python']}: make clean run PYTHON=python3.12"
    yield Finding("ok" if fits else "problem", "Python", python, remedy)
    rest = []
    for requirement in map(Requirement, project["dependencies"]):
        finding = _package(requirement, find(requirement.name))
        if finding.level == "ok" and requirement.name not in SHOWN:
            rest.append(requirement.name)
        else:
            yield finding
    yield _others(rest)


def _package(requirement: Requirement, found: str | None) -> Finding:
    wanted = str(requirement.specifier)
    if found is None:
        text = f"not installed, {wanted} is needed"
    elif requirement.specifier.contains(found, prereleases=True):
        return Finding("ok", requirement.name, found)
    else:
        text = f"{found} is installed, {wanted} is needed"
    remedy = f"pip install -c constraints.txt '{requirement}'"
    return Finding("problem", requirement.name, text, remedy)


def _others(names: Iterable[str]) -> Finding:
    return Finding("ok", "other packages", ", ".join(sorted(names)))
