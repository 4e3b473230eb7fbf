"""Files of conf/ are what the documents say of them: usable, and FLoRG starts at the pretrained model."""

import pytest

from florg_app.config import runconfig
from florg_app.config.parse import parse_settings
from tests.support.repository import REPOSITORY

RUNS = sorted(REPOSITORY.glob("conf/*.toml"))


@pytest.mark.parametrize("file", RUNS, ids=lambda file: file.name)
def test_a_run_of_a_pretrained_model_begins_at_w0(file):
    config, _ = runconfig.gather_run_config(REPOSITORY, [file], [])
    settings = parse_settings(config)
    assert settings.strategy.name == "florg"
    assert config["strategy.florg.zero-start"] is True


@pytest.mark.parametrize("file", RUNS, ids=lambda file: file.name)
def test_a_file_made_for_florg_serves_the_other_methods_too(file):
    config, _ = runconfig.gather_run_config(REPOSITORY, [file], ["strategy.name=fedit"])
    assert parse_settings(config).strategy.name == "fedit"
