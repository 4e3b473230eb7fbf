"""`florg doctor` tells a package of another project, or of another copy of this one, from ours before it imports it."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from florg_app.code_version import OUR_MARK, OUR_PACKAGES, PROJECT
from florg_app.doctor.packages import check_packages, installed_owners, look_at_packages
from tests.support.repository import REPOSITORY

PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def package(folder: Path, name: str, text: str = "") -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(text)
    return folder / name / "__init__.py"


def ours(folder: Path) -> dict[str, Path | None]:
    return {name: package(folder, name, f'"""Words."""\n\n{OUR_MARK}\n') for name in OUR_PACKAGES}


def checked(found, owners=None):
    return [(finding.level, finding.text, finding.remedy) for finding in check_packages(found, owners or {})]


def test_the_packages_of_this_project_have_the_mark_and_are_shipped_as_typed():
    assert PYPROJECT["project"]["name"] == PROJECT
    assert set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(OUR_PACKAGES)
    for name in OUR_PACKAGES:
        assert OUR_MARK in (REPOSITORY / name / "__init__.py").read_text(encoding="utf-8").splitlines()
        assert (REPOSITORY / name / "py.typed").is_file()


def test_all_three_of_one_place_are_well():
    assert checked(look_at_packages(), installed_owners()) == [
        ("ok", f"florg_app, clients, strategies from {REPOSITORY}", "")
    ]


def test_an_installed_project_with_a_package_of_the_same_name_is_named_with_the_command_that_removes_it(tmp_path):
    found = {**ours(tmp_path / "app"), "strategies": package(tmp_path / "site-packages", "strategies")}
    ((level, text, remedy),) = checked(found, {"strategies": ["strategies", PROJECT], "clients": [PROJECT]})
    assert level == "problem"
    assert text == f"strategies is another project's: {tmp_path}/site-packages/strategies/__init__.py"
    assert remedy.startswith("pip uninstall strategies, then install this project again")


@pytest.mark.parametrize("file", ["clients/__init__.py", "clients.py"])
def test_a_package_or_module_that_nobody_installed_is_named_with_the_folder_to_leave(tmp_path, file):
    (tmp_path / "work/clients").mkdir(parents=True)
    (tmp_path / "work" / file).write_text("import nothing_of_the_kind\n")
    ((level, text, remedy),) = checked({**ours(tmp_path / "app"), "clients": tmp_path / "work" / file})
    assert (level, text) == ("problem", f"clients is another project's: {tmp_path}/work/{file}")
    assert remedy == f"take {tmp_path}/work off Python's module path: start from another folder, or change PYTHONPATH"


def test_two_copies_of_this_project_are_named_with_their_folders(tmp_path):
    found = {**ours(tmp_path / "new"), "strategies": ours(tmp_path / "old")["strategies"]}
    ((level, text, remedy),) = checked(found)
    assert level == "problem"
    assert text == f"of several copies: florg_app and clients from {tmp_path}/new; strategies from {tmp_path}/old"
    assert remedy.startswith("keep one copy")


def test_a_package_that_is_nowhere_is_a_problem(tmp_path):
    ((level, text, remedy),) = checked({**ours(tmp_path), "clients": None})
    assert (level, text) == ("problem", "clients is not found")
    assert "pip install -e ." in remedy


@pytest.mark.parametrize("name", ["strategies", "clients"])
def test_the_command_names_a_foreign_package_instead_of_failing_on_its_missing_modules(tmp_path, name):
    package(tmp_path, name, "raise AssertionError('imported')\n")
    code = "from florg_app.cli.main import app; app()"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY)])}
    command = [sys.executable, "-c", code, "doctor"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert f"problem  packages: {name} is another project's: {tmp_path}/{name}/__init__.py" in done.stdout
    assert f"-> take {tmp_path} off Python's module path" in done.stdout
