"""Which protections a method takes: refused with the reason before anything starts, and listed from the same rules."""

import pytest

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.config.protection import NO_PRIVACY, no_client_privacy, no_robust_mean, no_summand, weighting_of
from strategies import METHODS

NOISE = {"privacy.noise-multiplier": 1.0}
SERVER = {**NOISE, "privacy.where": "server"}
UNIFORM = {"strategy.weighting": "uniform"}
GLOBAL = {"strategy.name": "fedsa-lora", "strategy.fedsa-lora.global-model": True}


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"strategy.upload": "summand", "strategy.name": "flexlora"}, ["strategy.upload", "side by side", '"tensors"']),
        ({"strategy.upload": "summand", "strategy.florg.solver": "truncate"}, ["strategy.upload", "no summand"]),
        (
            {"strategy.upload": "summand", "strategy.name": "hetlora"},
            ["strategy.upload", "norms", "weighting"],
        ),
        ({"robust.combine": "median", "strategy.name": "flora-na"}, ["robust.combine", "no summands", '"mean"']),
        ({"robust.combine": "median", "strategy.name": "fedit"}, ["by examples, which a client could lie about"]),
        ({"robust.combine": "trimmed-mean", "strategy.name": "hetlora"}, ["by norm", 'weighting = "uniform"']),
        ({"robust.norm-bound": 0.5}, ["robust.norm-bound = 0.5", "every other upload", "1 or more"]),
        ({"robust.trim": 0.5}, ["robust.trim = 0.5", "< 0.5"]),
        ({**SERVER, **UNIFORM}, ['privacy.where = "server"', "something else than the uploads", '"client"']),
        ({**SERVER, **UNIFORM, "strategy.name": "hetlora"}, ["several ranks"]),
        ({**SERVER, "strategy.name": "fedit"}, ["by examples", 'strategy.weighting = "uniform"']),
        ({**SERVER, **UNIFORM, "strategy.name": "fedit", "robust.combine": "median"}, ["robust.combine", "plain mean"]),
        ({**SERVER, **UNIFORM, "strategy.name": "fedit", "robust.norm-bound": 3.0}, ["robust.norm-bound = 0"]),
        ({**NOISE, "strategy.name": "fedit"}, ["privacy.where", "by examples", "uniform"]),
        ({**NOISE, **UNIFORM, "strategy.name": "centralised"}, ["the rows of all", "another strategy.name"]),
        ({**NOISE, **UNIFORM, "strategy.name": "local"}, ["nothing to protect"]),
        ({**NOISE, **UNIFORM, **GLOBAL}, ["report what they keep"]),
        ({**NOISE, "evaluate.on-clients": True, "partition.holdout": 0.2}, ["evaluate.on-clients", "set it to false"]),
        ({"privacy.noise-multiplier": -1.0}, ["privacy.noise-multiplier", ">= 0"]),
        ({"privacy.clip": 0.0}, ["privacy.clip", "> 0"]),
        ({"privacy.delta": 1.0}, ["privacy.delta", "< 1"]),
        ({"privacy.where": "both"}, ["privacy.where", "client | server"]),
    ],
)
def test_what_would_not_hold_is_refused_with_key_reason_and_remedy(config, named):
    with pytest.raises(ConfigError) as refusal:
        parse_settings(config)
    assert [words for words in named if words not in str(refusal.value)] == []


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("where", ["client", "server"])
def test_a_method_is_refused_exactly_where_a_reason_speaks_against_it(name, where):
    method = METHODS[name]()
    base = {"strategy.name": name, **UNIFORM}
    tries = {
        no_summand(method): {"strategy.upload": "summand"},
        no_robust_mean(method): {"robust.combine": "median"},
        NO_PRIVACY[where](method): {**NOISE, "privacy.where": where},
    }
    for reason, option in tries.items():
        if reason:
            with pytest.raises(ConfigError) as refusal:
                parse_settings({**base, **option})
            assert reason in str(refusal.value)
        else:
            parse_settings({**base, **option})


def test_the_methods_with_noise_on_the_server_are_those_of_plain_means():
    able = {name for name, cls in METHODS.items() if not NO_PRIVACY["server"](cls())}
    assert able == {
        "fedit", "fedsa-lora", "ffa-lora", "federa", "rac-lora", "slora", "fedavg", "fedprox", "fedftg",
        "rolora", "fedsvd", "frlora",
    }  # fmt: skip
    assert not no_client_privacy(METHODS["florg"]())


def test_no_noise_asks_for_nothing():
    assert parse_settings({"privacy.where": "server", "privacy.clip": 3.0}).privacy.noise_multiplier == 0
    assert weighting_of("method", METHODS["fedit"]()) == "examples"
