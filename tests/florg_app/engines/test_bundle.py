"""What `florg run` hands to Flower: less to look at, and the same FAB."""

from pathlib import Path

import pytest

from florg_app.engines.bundle import bundle_app
from tests.support.flower_internals import build_bundle
from tests.support.repository import REPOSITORY

APP = REPOSITORY


def app_of(folder: Path, rules: str) -> Path:
    for name in ("stub/server.py", "stub/deep/er.py", "stub/notes.md", "other/private.py", "extra.md", "LICENSE"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / ".gitignore").write_text("deep/\n")
    (folder / "pyproject.toml").write_text(f"""
[project]
name = "stub"
version = "0.1.0"
description = "d"
license = "Apache-2.0"
[tool.flwr.app]
publisher = "florg"
{rules}
[tool.flwr.app.components]
serverapp = "stub.server:app"
clientapp = "stub.server:app"
""")
    return folder


def names(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_flower_builds_the_same_fab_from_what_it_ships_alone():
    with bundle_app(APP) as files:
        assert not (files / ".venv").exists()
        assert not (files / "tests").exists()
        assert build_bundle(files) == build_bundle(APP)
    assert not files.exists()


def test_the_files_of_other_folders_and_ignored_ones_stay_away(tmp_path):
    app = app_of(tmp_path, 'fab-include = ["stub/**/*.py", "/LICENSE"]\nfab-exclude = ["stub/*.md"]')
    with bundle_app(app) as files:
        assert names(files) == {
            *(".gitignore", "pyproject.toml", "LICENSE"),
            *("stub/server.py", "stub/deep/er.py", "stub/notes.md"),
        }
        assert build_bundle(files) == build_bundle(app)


@pytest.mark.parametrize(
    "rules", ["", 'fab-include = ["*.py"]', 'fab-include = ["**/*.py"]', 'fab-include = ["st*/*.py"]']
)
def test_an_app_whose_files_may_be_anywhere_is_handed_on_as_it_is(rules, tmp_path):
    with bundle_app(app_of(tmp_path, rules)) as files:
        assert files == tmp_path
    assert files.exists()


def test_an_app_that_cannot_be_read_is_left_for_flower_to_refuse(tmp_path):
    with bundle_app(tmp_path / "none") as files:
        assert files == tmp_path / "none"
