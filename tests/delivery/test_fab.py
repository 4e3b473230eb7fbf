"""What `flwr run` ships to every SuperNode is the application's code and nothing that lies beside it."""

import importlib
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

from tests.support.flower_internals import bundle_metadata
from tests.support.repository import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
CODE = ("florg_app", "clients", "strategies")
PRIVATE = (
    "data/patients.jsonl",
    "runs/last/history.jsonl",
    "florg_app/tasks/patients.json",
    "clients/notes.md",
    "secrets.toml",
    "compose.yml",
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The FAB, built by Flower from a copy of the repository in which private files lie about."""
    copy = tmp_path_factory.mktemp("fab") / "florg"
    unwanted = shutil.ignore_patterns(".venv", ".git", "runs", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(REPOSITORY, copy, ignore=unwanted)
    for name in PRIVATE:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("{}\n" if name.endswith("json") else "")
    flwr = Path(sys.executable).with_name("flwr")
    quiet = {"FLWR_HOME": str(copy / ".flwr"), "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
    command = [flwr, "build", "--app", copy]
    done = subprocess.run(command, cwd=copy, env=os.environ | quiet, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (fab,) = copy.glob("*.fab")
    return fab


def test_the_bundle_holds_all_code_and_only_what_is_listed(bundle):
    names = set(zipfile.ZipFile(bundle).namelist())
    expected = {path.relative_to(REPOSITORY).as_posix() for root in CODE for path in (REPOSITORY / root).rglob("*.py")}
    expected |= {f"florg_app/tasks/tiny/model/{path.name}" for path in _tiny_model()}
    ours = {name for name in names if not name.startswith(".info/")}
    assert ours == expected | {"LICENSE", "README.md", "pyproject.toml"}


def test_the_bundle_has_the_version_of_the_project(bundle):
    _, version = bundle_metadata(bundle)
    assert version == PROJECT["project"]["version"]
    assert f".{version.replace('.', '-')}." in bundle.name


def test_the_bundle_stays_below_flowers_limit(bundle):
    assert bundle.stat().st_size < 10 * 2**20


def test_the_component_references_are_apps():
    for key, kind in {"serverapp": ServerApp, "clientapp": ClientApp}.items():
        module, attribute = PROJECT["tool"]["flwr"]["app"]["components"][key].split(":")
        assert isinstance(getattr(importlib.import_module(module), attribute), kind)


def _tiny_model():
    return list((REPOSITORY / "florg_app/tasks/tiny/model").glob("*.json"))
