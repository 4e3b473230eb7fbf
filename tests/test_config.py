"""Settings: one list in pyproject and in the models, strict types, errors that name key, value and what is allowed."""

import dataclasses
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from clients import trainer
from florg_app.config import ConfigError, defaults, flatten, parse
from strategies import METHODS
from strategies.fedit import FedIT
from strategies.florg import FLoRG

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"

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


def problems(config: dict) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(config)
    return list(caught.value.args)


def problem(config: dict) -> str:
    (only,) = problems(config)
    return only


@pytest.fixture(scope="module")
def pyproject() -> dict:
    return flat(tomllib.loads(PYPROJECT.read_text())["tool"]["flwr"]["app"]["config"])


def test_pyproject_and_models_have_the_same_keys_defaults_and_types(pyproject):
    assert {key: (type(value), value) for key, value in pyproject.items()} == {
        key: (type(value), value) for key, value in defaults().items()
    }


def test_pyproject_and_no_configuration_mean_the_same(pyproject):
    assert parse(pyproject) == parse({})


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_chosen_by_its_name_with_the_defaults_of_its_class(name, pyproject):
    settings = parse({**pyproject, "strategy.name": name})
    assert settings.method == METHODS[name]()


@pytest.mark.parametrize("config", [{}, CHANGED, {"strategy.name": "fedit"}])
def test_flatten_and_parse_are_inverse(config):
    settings = parse(config)
    keys = flatten(settings)
    assert parse(keys) == settings
    assert {type(value) for value in keys.values()} <= {bool, int, float, str}
    assert {key: keys[key] for key in config if key != "adapter.targets"} == {
        key: value for key, value in config.items() if key != "adapter.targets"
    }


def test_flatten_leaves_out_the_settings_of_other_methods():
    assert not [key for key in flatten(parse({"strategy.name": "fedit"})) if key.startswith("strategy.florg")]


def test_values_reach_their_typed_fields():
    settings = parse(CHANGED)
    assert settings.method == FLoRG(solver="literal", align=False)
    assert settings.adapter.targets == ("query", "layer.1.value")
    assert settings.task.path == Path("/data/mrpc")
    assert settings.train.head_learning_rate == 0.01
    assert isinstance(settings.adapter.alpha, float)


def test_unset_values_are_none():
    settings = parse({"train.head-learning-rate": -1, "output-dir": "", "adapter.targets": " "})
    assert settings.output_dir is settings.task.path is settings.task.max_train_rows is None
    assert settings.train.max_steps is settings.train.head_learning_rate is None
    assert settings.adapter.targets == ()


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        parse({}).train.epochs = 2  # pyright: ignore[reportAttributeAccessIssue]


def test_the_train_section_fits_the_trainer():
    assert trainer.TrainSettings(**parse({}).train.arguments()) == trainer.TrainSettings()
    given = trainer.TrainSettings(**parse(CHANGED).train.arguments())
    assert (given.head_learning_rate, given.max_steps, given.momentum) == (0.01, 5, 0.9)
    assert trainer.TrainSettings(**parse({"train.learning-rate": 0.5}).train.arguments()).head_learning_rate == 0.5
    assert set(parse({}).train.arguments()) == {field.name for field in dataclasses.fields(trainer.TrainSettings)}


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("num-server-rounds", 0, "a whole number >= 1"),
        ("num-server-rounds", 3.0, "a whole number >= 1"),
        ("num-server-rounds", "3", "a whole number >= 1"),
        ("num-server-rounds", True, "a whole number >= 1"),
        ("seed", -1, "a whole number >= 0"),
        ("output-dir", 3, 'a path, or "" (runs/ in the server\'s working directory)'),
        ("fraction-train", 0.0, "a number > 0 and <= 1"),
        ("fraction-train", 1.5, "a number > 0 and <= 1"),
        ("round-timeout", float("inf"), "a number > 0"),
        ("strategy.name", "flrog", "florg | fedit"),
        ("strategy.name", 3, "florg | fedit"),
        ("strategy.weighting", "size", "method | uniform | examples"),
        ("strategy.florg.solver", "exact", "closed-form | literal | truncate"),
        ("strategy.florg.initial-std", 0.0, "a number > 0"),
        ("strategy.florg.zero-start", 0, "true or false"),
        ("adapter.dropout", 1.0, "a number >= 0 and < 1"),
        ("adapter.targets", "query,,value", "comma-separated names"),
        ("model.name", "", "a name"),
        ("model.dtype", "int8", "float32 | bfloat16 | float16"),
        ("task.max-train-rows", 0, "a whole number >= 1, or -1 (all rows)"),
        ("task.max-train-rows", -1.0, "a whole number >= 1, or -1 (all rows)"),
        ("partition.name", "shards", "iid | dirichlet"),
        ("partition.alpha", 0, "a number > 0"),
        ("train.optimizer", "adam", "adamw | sgd"),
        ("train.learning-rate", True, "a number > 0"),
        ("train.learning-rate", float("nan"), "a number > 0"),
        ("train.head-learning-rate", -0.5, "a number > 0, or -1.0 (train.learning-rate)"),
        ("evaluate.on-clients", "yes", "true or false"),
        ("server.device", "gpu", "auto | cpu | cuda | cuda:N"),
        ("client.threads", -1, "a whole number >= 0"),
    ],
)
def test_an_error_names_key_value_and_what_is_allowed(key, value, allowed):
    message = problem({key: value})
    shown = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
    shown = shown or (f'"{value}"' if isinstance(value, str) else repr(value))
    if key == "strategy.name":
        allowed = " | ".join(METHODS)
    assert message == f"{key} = {shown}: expected {allowed}"


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("train.learning_rate", "did you mean train.learning-rate"),
        ("learning-rate", "train.learning-rate"),
        ("partition.alhpa", "did you mean partition.alpha"),
        ("strategy.florg.solvers", "did you mean strategy.florg.solver"),
        ("num_server_rounds", "did you mean num-server-rounds"),
        ("server.zzzzzz", "there are server.device, server.diagnostics"),
        ("zzzzzz.zzzzzz", "there are adapter, client, evaluate"),
    ],
)
def test_an_unknown_key_is_answered_with_known_ones(key, suggestion):
    message = problem({key: 1})
    assert message.startswith(f"{key}: no such setting; ")
    assert suggestion in message


def test_a_setting_of_another_method_is_refused_unless_it_is_the_default():
    chosen = {"strategy.name": "fedit"}
    assert parse({**chosen, "strategy.florg.basis": "haar"}).method == FedIT()
    assert problem({**chosen, "strategy.florg.basis": "svd"}) == (
        'strategy.florg.basis = "svd" belongs to method florg, but strategy.name = "fedit"; '
        'remove it, or set strategy.name = "florg"'
    )


def test_settings_of_a_method_that_do_not_go_together_are_refused():
    message = problem({"strategy.florg.solver": "closed-form", "strategy.florg.align": False})
    assert "strategy.florg.align" in message
    assert "strategy.florg.solver" in message


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"train.momentum": 0.9}, ["train.momentum = 0.9", 'train.optimizer = "adamw"', '"sgd"']),
        ({"evaluate.on-clients": True}, ["evaluate.on-clients = true", "partition.holdout"]),
        (
            {"min-uploads": 3, "min-clients": 4, "fraction-train": 0.5},
            ["min-uploads = 3", "min-clients = 4", "fraction-train = 0.5", "only 2"],
        ),
    ],
)
def test_combinations_that_cannot_work_are_refused(config, named):
    message = problem(config)
    assert [text for text in named if text not in message] == []


def test_all_problems_are_reported_at_once():
    config = {
        "train.optimiser": "sgd",
        "seed": -3,
        "train.epochs": 0,
        "strategy.florg.basis": "random",
        "evaluate.on-clients": True,  # a combination, which is looked at once the rest is right
    }
    with pytest.raises(ConfigError) as caught:
        parse(config)
    keys = [problem.split()[0].rstrip(":") for problem in caught.value.args]
    assert sorted(keys) == ["seed", "strategy.florg.basis", "train.epochs", "train.optimiser"]
    assert str(caught.value).startswith("4 settings cannot be used:\n  - ")


def test_config_error_is_a_value_error_that_survives_pickling():
    import pickle

    error = pickle.loads(pickle.dumps(ConfigError("a", "b")))
    assert isinstance(error, ValueError)
    assert error.args == ("a", "b")
