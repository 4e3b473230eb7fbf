"""A run-config is gathered from pyproject.toml, files and assignments, and written so that Flower reads the same."""

import tomllib

import pytest

from florg_app.config import runconfig
from florg_app.config.parse import ConfigError, parse_settings

PYPROJECT = """
[tool.flwr.app.config]
seed = 1
task = { name = "tiny", path = "" }
train = { learning-rate = 0.002 }
strategy = { name = "florg", florg = { zero-start = false, align = true } }
"""


@pytest.fixture
def folder(tmp_path):
    """An app."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    return tmp_path


def test_texts_need_no_quotes_and_numbers_stay_numbers(folder):
    assignments = ["task.name=glue/rte", 'model.name="a b"', "seed=7", "task.path=1", "train.learning-rate=1e-3"]
    _, overrides = runconfig.gather_run_config(folder, [], assignments)
    assert overrides == {
        "task.name": "glue/rte",
        "model.name": "a b",
        "seed": 7,
        "task.path": "1",
        "train.learning-rate": 0.001,
    }


def layered(folder, assignments, *texts):
    files = [folder / f"{number}.toml" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    return runconfig.gather_run_config(folder, files, assignments)[1]


FLORG = "seed = 2\n[strategy.florg]\nzero-start = true"


def test_a_file_made_for_one_method_serves_another_that_is_named_later(folder):
    assert layered(folder, ["strategy.name=fedit"], FLORG) == {"seed": 2, "strategy.name": "fedit"}
    assert layered(folder, [], FLORG, 'strategy.name = "fedit"') == {"seed": 2, "strategy.name": "fedit"}
    assert layered(folder, ["strategy.name=florg"], FLORG)["strategy.florg.zero-start"] is True
    assert layered(folder, ["seed=3"], FLORG) == {"seed": 3, "strategy.florg.zero-start": True}


def test_settings_of_another_method_beside_its_name_or_after_it_are_kept_to_be_refused(folder):
    for assignments in (["strategy.florg.align=false", "strategy.name=fedit"], ["strategy.florg.align=false"]):
        overrides = layered(folder, assignments, 'strategy.name = "fedit"')
        with pytest.raises(ConfigError, match=r"strategy\.florg\.align = false belongs to method florg"):
            parse_settings(overrides)


@pytest.mark.parametrize("key", ["strategy.florgg.align", "strategy.florg.allign"])
def test_what_is_misspelt_stays_to_be_refused(key, folder):
    overrides = layered(folder, ["strategy.name=fedit"], f"{key} = false")
    with pytest.raises(ConfigError, match=key):
        parse_settings(overrides)


def test_the_app_is_found_from_a_folder_inside_it(folder):
    (folder / "conf/more").mkdir(parents=True)
    assert runconfig.find_app(folder / "conf/more") == folder


def test_a_written_run_config_is_read_back_by_toml(tmp_path):
    config = {"a": 'x"\\\n\t', "b.c": 1e-05, "b.d": True, "e": -1, "f": "𝄞"}
    runconfig.write_run_config(tmp_path / "c.toml", config)
    assert runconfig.flatten_tables(tomllib.loads((tmp_path / "c.toml").read_text())) == config


def test_only_existing_paths_become_absolute_and_names_stay_names(folder):
    (folder / "data").mkdir()
    (folder / "tiny").mkdir()
    config = {"task.path": "./data", "model.name": "tiny", "resume-from": "runs/none"}
    assert runconfig.absolute_paths(config, folder) == {"task.path": str(folder / "data")}


def test_a_folder_outside_every_app_falls_back_to_the_installed_one(tmp_path):
    assert (runconfig.find_app(tmp_path) / "florg_app/config/runconfig.py").exists()
