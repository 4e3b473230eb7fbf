"""wire.*: what each key may be, and what does not go together; the error names key, value, reason and next move."""

import pytest

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.config.wire_settings import no_coded_broadcast, no_coded_upload, wire_of
from strategies import METHODS
from strategies.exchange.codecs.table import CODECS


def refusal(**settings) -> str:
    with pytest.raises(ConfigError) as refused:
        parse_settings({key.replace("__", "."): value for key, value in settings.items()})
    return str(refused.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"wire.upload": "int2"}, 'wire.upload = "int2": expected float32 | bfloat16 | int8 | int4 | top-k'),
        ({"wire.broadcast": "INT8"}, 'wire.broadcast = "INT8": expected float32 | bfloat16 | int8 | int4 | top-k'),
        ({"wire.top-k": 0.0}, "wire.top-k = 0.0: expected a number > 0 and <= 1"),
        ({"wire.top-k": 1.5}, "wire.top-k = 1.5: expected a number > 0 and <= 1"),
        ({"wire.feedback": 1}, "wire.feedback = 1: expected true or false"),
    ],
)
def test_a_value_that_is_none_is_refused_with_those_that_are(settings, said):
    assert refusal(**settings) == said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"wire.top-k": 0.2}, ["wire.top-k = 0.2", 'wire.upload = "top-k"', "remove it"]),
        ({"wire.upload": "int8", "strategy.name": "local"}, ["wire.upload", "uploads nothing", "float32"]),
        (
            {"wire.upload": "top-k", "strategy.name": "fedsa-lora", "strategy.fedsa-lora.global-model": True},
            ['wire.upload = "top-k"', "fedsa-lora", "have clients report|has clients report", "int8"],
        ),
        ({"wire.upload": "int4", "strategy.name": "flexlora"}, ["wire.feedback = true", "flexlora", "false"]),
        ({"wire.broadcast": "int8", "strategy.name": "hetlora"}, ["wire.broadcast", "several ranks", "float32"]),
        (
            {"wire.broadcast": "int8", "strategy.name": "flora", "adapter.client-ranks": "2,4"},
            ["wire.broadcast", 'adapter.client-ranks = "2,4"', "several ranks", 'adapter.client-ranks = ""'],
        ),
        ({"wire.broadcast": "top-k"}, ['wire.broadcast = "top-k"', "florg", "would be lost", "int8", "fedit"]),
        ({"wire.upload": "int8", "strategy.upload": "summand"}, ["strategy.upload", "tensors", "float32"]),
        (
            {
                "wire.upload": "int8",
                "strategy.upload": "summand",
                "privacy.secure-sum": True,
                "min-clients": 5,
                "strategy.weighting": "uniform",
            },
            ["wire.upload", "privacy.secure-sum", "float32"],
        ),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_reason_and_what_would(settings, said):
    text = refusal(**settings)
    assert all(any(way in text for way in part.split("|")) for part in said), text


@pytest.mark.parametrize("name", METHODS)
def test_every_method_takes_each_codec_or_says_why_not(name):
    reasons = {"upload": no_coded_upload, "broadcast": no_coded_broadcast}
    for codec in CODECS:
        for key, reason in reasons.items():
            settings = {"strategy.name": name, f"wire.{key}": codec, "wire.feedback": False}
            if codec == "float32" or not reason(METHODS[name](), codec):
                parse_settings(settings)
                continue
            with pytest.raises(ConfigError, match=r"is impossible with strategy\.name") as refused:
                parse_settings(settings)
            assert "choose " in str(refused.value)


def test_the_default_is_no_codec():
    wire = wire_of(parse_settings({}).wire)
    assert wire.upload.exact
    assert wire.broadcast.exact
    assert not wire.feedback


def test_codecs_go_with_noise_of_clients_and_of_the_server():
    for where in ("client", "server"):
        settings = {"privacy.noise-multiplier": 1.0, "privacy.where": where, "strategy.weighting": "uniform"}
        assert parse_settings({**settings, "strategy.name": "fedit", "wire.upload": "int4"}).wire.upload == "int4"
