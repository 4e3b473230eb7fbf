"""Settings: one list in pyproject and in the models, strict types, there and back."""

import dataclasses
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from clients.train_settings import TrainOptions
from florg_app.config.parse import default_settings, flatten_settings, parse_settings
from strategies import METHODS
from strategies.methods.florg import FLoRG
from tests.support.repository import REPOSITORY

PYPROJECT = REPOSITORY / "pyproject.toml"

CHANGED = {
    "seed": 7,
    "output-dir": "out/here",
    "fraction-train": 0.5,
    "min-clients": 4,
    "min-uploads": 2,
    "strategy.weighting": "examples",
    "strategy.florg.solver": "literal",
    "strategy.florg.align": False,
    "adapter.alpha": 8,
    "adapter.targets": "query, layer.1.value",
    "task.path": "/data/mrpc",
    "task.max-train-rows": 100,
    "partition.holdout": 0.1,
    "train.optimizer": "sgd",
    "train.momentum": 0.9,
    "train.head-learning-rate": 0.01,
    "train.max-steps": 5,
    "evaluate.on-clients": True,
    "server.device": "cuda:1",
}


def flat(table: dict, prefix: str = "") -> dict:
    """Nested TOML tables as Flower hands them over."""
    keys = {}
    for key, value in table.items():
        keys |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return keys


@pytest.fixture(scope="module")
def pyproject() -> dict:
    return flat(tomllib.loads(PYPROJECT.read_text())["tool"]["flwr"]["app"]["config"])


def test_pyproject_and_models_have_the_same_keys_defaults_and_types(pyproject):
    assert {key: (type(value), value) for key, value in pyproject.items()} == {
        key: (type(value), value) for key, value in default_settings().items()
    }


def test_pyproject_and_no_configuration_mean_the_same(pyproject):
    assert parse_settings(pyproject) == parse_settings({})


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_chosen_by_its_name_with_the_defaults_of_its_class(name, pyproject):
    settings = parse_settings({**pyproject, "strategy.name": name})
    assert settings.method == METHODS[name]()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_file_that_chooses_it_and_differs_from_the_defaults_elsewhere(name, pyproject):
    given = flat(tomllib.loads((PYPROJECT.parent / "conf" / "methods" / f"{name}.toml").read_text()))
    assert given.pop("strategy.name") == name
    assert parse_settings({"strategy.name": name, **given}).strategy.name == name
    assert all(value != pyproject[key] for key, value in given.items())


RANKED = {"strategy.name": "flora", "adapter.client-ranks": "2,4"}


@pytest.mark.parametrize("config", [{}, CHANGED, {"strategy.name": "fedit"}, RANKED])
def test_flatten_and_parse_are_inverse(config):
    settings = parse_settings(config)
    keys = flatten_settings(settings)
    assert parse_settings(keys) == settings
    assert {type(value) for value in keys.values()} <= {bool, int, float, str}
    assert {key: keys[key] for key in config if key != "adapter.targets"} == {
        key: value for key, value in config.items() if key != "adapter.targets"
    }


def test_flatten_leaves_out_the_settings_of_other_methods():
    assert not [
        key for key in flatten_settings(parse_settings({"strategy.name": "fedit"})) if key.startswith("strategy.florg")
    ]


def test_values_reach_their_typed_fields():
    settings = parse_settings(CHANGED)
    assert settings.method == FLoRG(solver="literal", align=False)
    assert settings.adapter.targets == ("query", "layer.1.value")
    assert settings.task.path == Path("/data/mrpc")
    assert settings.train.head_learning_rate == 0.01
    assert isinstance(settings.adapter.alpha, float)
    assert parse_settings({**RANKED, "adapter.client-ranks": " 2, 4"}).adapter.client_ranks == (2, 4)


def test_unset_values_are_none():
    settings = parse_settings({"train.head-learning-rate": -1, "output-dir": "", "adapter.targets": " "})
    assert settings.output_dir is settings.task.path is settings.task.max_train_rows is None
    assert settings.train.max_steps is settings.train.head_learning_rate is None
    assert settings.adapter.targets == ()


def test_settings_can_be_keys_of_a_dictionary():
    assert (
        len(
            {
                parse_settings({}): 1,
                parse_settings(CHANGED): 2,
                parse_settings(flatten_settings(parse_settings(CHANGED))): 3,
            }
        )
        == 2
    )


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        parse_settings({}).train.epochs = 2  # pyright: ignore[reportAttributeAccessIssue]


def test_the_train_section_has_the_fields_and_defaults_of_the_trainer():
    section, own = dict(parse_settings({}).train), dataclasses.asdict(TrainOptions())
    assert section.keys() == own.keys() | {"optimizer_state", "schedule", "warmup_rounds"}  # not the trainer's
    unset = [name for name, value in section.items() if value is None]
    assert unset == ["max_steps", "micro_batch_size"]
    assert [name for name in own if own[name] != section[name]] == unset
