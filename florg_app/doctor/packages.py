"""Are `florg_app`, `clients` and `strategies`, as Python finds them, the packages of one installation of this project?

`strategies` and `clients` are names that other projects use too. One of theirs that comes earlier on the module path,
or that was installed over ours, ends in errors of missing modules. So this is asked before others of ours are imported.
"""

from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

from florg_app.code_version import OUR_MARK, OUR_PACKAGES, PROJECT
from florg_app.doctor.finding import Finding

PACKAGES = "packages"


def look_at_packages() -> dict[str, Path | None]:
    """The file with which Python begins to import each of our packages; None where it finds none. Imports nothing."""
    specs = {name: find_spec(name) for name in OUR_PACKAGES}
    return {name: Path(spec.origin) if spec and spec.origin else None for name, spec in specs.items()}


def installed_owners() -> Mapping[str, Collection[str]]:
    """The installed projects that have a package or module of each name."""
    return packages_distributions()


def check_packages(found: Mapping[str, Path | None], owners: Mapping[str, Collection[str]]) -> Iterator[Finding]:
    """Say which packages are not ours, or that ours are of several copies; else that all is well.

    Args:
        found: As `look_at_packages` gives it.
        owners: As `installed_owners` gives it.
    """
    roots: dict[Path, list[str]] = {}
    problems = []
    for name, file in found.items():
        if file is None:
            remedy = "install this project again, from its folder: pip install -e ."
            problems.append(Finding("problem", PACKAGES, f"{name} is not found", remedy))
        elif not _is_ours(file):
            problems.append(_foreign(name, file, sorted(set(owners.get(name, ())) - {PROJECT})))
        else:
            roots.setdefault(file.resolve().parent.parent, []).append(name)
    yield from problems
    if len(roots) > 1:
        text = "; ".join(f"{' and '.join(names)} from {root}" for root, names in roots.items())
        remedy = "keep one copy: take the other off the module path (PYTHONPATH, this working directory, pip uninstall)"
        yield Finding("problem", PACKAGES, f"of several copies: {text}", remedy)
    elif not problems:
        (root,) = roots
        yield Finding("ok", PACKAGES, f"{', '.join(found)} from {root}")


def _is_ours(file: Path) -> bool:
    return file.name == "__init__.py" and OUR_MARK in file.read_text(encoding="utf-8", errors="replace")


def _foreign(name: str, file: Path, owners: list[str]) -> Finding:
    text = f"{name} is another project's: {file}"
    if owners:
        remedy = f"pip uninstall {' '.join(owners)}, then install this project again, from its folder: pip install -e ."
    else:
        top = file.parent.parent if file.name == "__init__.py" else file.parent
        remedy = f"take {top} off Python's module path: start from another folder, or change PYTHONPATH"
    return Finding("problem", PACKAGES, text, remedy)
