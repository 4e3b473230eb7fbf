"""Settings that cannot be used: the error names key, value and what is allowed, and all of them at once."""

import json
import pickle

import pytest

from florg_app.config.parse import ConfigError, parse_settings
from strategies import METHODS
from strategies.methods.fedit import FedIT

NAMES = 'comma-separated names, in quotation marks as in CSV where one has a comma: "a, b",c'


def problems(config: dict) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_settings(config)
    return list(caught.value.args)


def problem(config: dict) -> str:
    (only,) = problems(config)
    return only


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("num-server-rounds", -1, "a whole number >= 0"),
        ("num-server-rounds", 3.0, "a whole number >= 0"),
        ("num-server-rounds", "3", "a whole number >= 0"),
        ("num-server-rounds", True, "a whole number >= 0"),
        ("seed", -1, "a whole number >= 0"),
        ("output-dir", 3, 'a path, or "" (runs/ in the server\'s working directory)'),
        ("fraction-train", 0.0, "a number > 0 and <= 1"),
        ("fraction-train", 1.5, "a number > 0 and <= 1"),
        ("round-timeout", float("inf"), "a number > 0"),
        ("strategy.name", "flrog", " | ".join(METHODS)),
        ("strategy.name", 3, " | ".join(METHODS)),
        ("strategy.weighting", "size", "method | uniform | examples"),
        ("strategy.florg.solver", "exact", "closed-form | literal | truncate"),
        ("strategy.florg.initial-norm", 0.0, "a number > 0"),
        ("strategy.florg.zero-start", 0, "true or false"),
        ("adapter.dropout", 1.0, "a number >= 0 and < 1"),
        ("adapter.targets", "query,,value", NAMES),
        ("adapter.client-ranks", "2,0", 'comma-separated whole numbers >= 1, or "" (adapter.rank for all)'),
        ("adapter.client-ranks", "2;4", 'comma-separated whole numbers >= 1, or "" (adapter.rank for all)'),
        ("model.name", "", "a name"),
        ("model.dtype", "int8", "float32 | bfloat16 | float16"),
        ("task.max-train-rows", 0, "a whole number >= 1, or -1 (all rows)"),
        ("task.max-train-rows", -1.0, "a whole number >= 1, or -1 (all rows)"),
        (
            "partition.name",
            "shards",
            "iid | dirichlet | pathological | natural-id | linear | square | exponential",
        ),
        ("partition.alpha", 0, "a number > 0"),
        ("train.optimizer", "adam", "adamw | sgd"),
        ("train.optimizer-state", "rotate", "reset | keep"),
        ("train.learning-rate", True, "a number > 0"),
        ("train.learning-rate", float("nan"), "a number > 0"),
        ("train.head-learning-rate", -0.5, "a number > 0, or -1.0 (train.learning-rate)"),
        ("evaluate.on-clients", "yes", "true or false"),
        ("server.device", "gpu", "auto | cpu | cuda | cuda:N"),
        ("client.threads", -1, "a whole number >= 0"),
    ],
)
def test_an_error_names_key_value_and_what_is_allowed(key, value, allowed):
    shown = repr(value) if isinstance(value, float) else json.dumps(value)
    assert problem({key: value}) == f"{key} = {shown}: expected {allowed}"


@pytest.mark.parametrize("value", ['"arts, music" and news,sport', '"arts, music', '"arts, music" ,news', "a,,b"])
@pytest.mark.parametrize("key", ["task.labels", "task.text-columns", "adapter.targets"])
def test_a_list_whose_quotation_is_broken_is_refused(key, value):
    shown = f"'{value}'" if '"' in value else f'"{value}"'
    assert problem({key: value}) == f"{key} = {shown}: expected {NAMES}"


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("train.learning_rate", "did you mean train.learning-rate"),
        ("learning-rate", "train.learning-rate"),
        ("partition.alhpa", "did you mean partition.alpha"),
        ("strategy.florg.solvers", "did you mean strategy.florg.solver"),
        ("num_server_rounds", "did you mean num-server-rounds"),
        ("server.zzzzzz", "there are server.device, server.diagnostics"),
        ("zzzzzz.zzzzzz", "there are adapter, checkpoint, client, evaluate"),
    ],
)
def test_an_unknown_key_is_answered_with_known_ones(key, suggestion):
    message = problem({key: 1})
    assert message.startswith(f"{key}: no such setting; ")
    assert suggestion in message


def test_a_setting_of_another_method_is_refused_unless_it_is_the_default():
    chosen = {"strategy.name": "fedit"}
    assert parse_settings({**chosen, "strategy.florg.basis": "haar"}).method == FedIT()
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
        (
            {"train.optimizer-state": "keep", "strategy.name": "flora"},
            ['train.optimizer-state = "keep"', 'strategy.name = "flora"', "A and B anew", 'set it to "reset"'],
        ),
        (
            {"train.optimizer-state": "keep", "strategy.name": "rac-lora"},
            ['strategy.name = "rac-lora"', "begins B anew", 'set it to "reset"'],
        ),
        ({"evaluate.on-clients": True}, ["evaluate.on-clients = true", "partition.holdout"]),
        (
            {"strategy.name": "fedit", "adapter.client-ranks": "2,4"},
            ['adapter.client-ranks = "2,4"', 'strategy.name = "fedit"', "flexlora | flora"],
        ),
        (
            {"strategy.name": "flora", "adapter.client-ranks": "2,8"},
            ['adapter.client-ranks = "2,8"', "has 8", "adapter.rank = 4"],
        ),
        (
            {"strategy.name": "ravan", "strategy.ravan.heads": 3},
            ["strategy.ravan.heads = 3", "expected 2 | 4 | 8 | 16"],
        ),
        (
            {"adapter.client-ranks": "2,4", "strategy.upload": "summand"},
            [
                'adapter.client-ranks = "2,4"',
                'strategy.upload = "summand"',
                'strategy.name = "florg"',
                "lacks the rest",
            ],
        ),
        (
            {"adapter.client-ranks": "2,4", "privacy.noise-multiplier": 1.0},
            ['adapter.client-ranks = "2,4"', 'privacy.where = "client"', 'strategy.name = "florg"', "differs with"],
        ),
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
        parse_settings(config)
    keys = [problem.split()[0].rstrip(":") for problem in caught.value.args]
    assert sorted(keys) == ["seed", "strategy.florg.basis", "train.epochs", "train.optimiser"]
    assert str(caught.value).startswith("4 settings cannot be used:\n  - ")


def test_config_error_is_a_value_error_that_survives_pickling():
    error = pickle.loads(pickle.dumps(ConfigError("a", "b")))
    assert isinstance(error, ValueError)
    assert error.args == ("a", "b")
