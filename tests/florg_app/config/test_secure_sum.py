"""Where a secure sum would not be one: refused by key, with the reason and the next move."""

import pytest

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.config.secure_sum import no_secure_sum, rules_of
from strategies import METHODS
from strategies.protection.secure_sum.rules import SecureSumRules

SECURE = {"privacy.secure-sum": True, "strategy.upload": "summand", "min-clients": 4}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_a_secure_sum_where_it_sums_what_clients_upload(name):
    given = {**SECURE, "strategy.name": name, "strategy.weighting": "uniform"}
    if reason := no_secure_sum(METHODS[name]()):
        with pytest.raises(ConfigError, match=f"strategy.name = .{name}., which {reason}"):
            parse_settings(given)
    else:
        parse_settings(given)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"strategy.florg.solver": "truncate"}, "choose the defaults of its own settings"),
        ({"strategy.upload": "tensors"}, 'set strategy.upload = "summand"'),
        ({"strategy.name": "hetlora"}, 'norms that it takes of each; set strategy.weighting = "uniform"'),
        ({"robust.combine": "median", "strategy.weighting": "uniform"}, 'robust.combine = "median"; set it to "mean"'),
        ({"robust.norm-bound": 3.0}, "robust.norm-bound = 3 could compare; set it to 0"),
        ({"strategy.name": "fedit", "robust.max-share": 0.5}, "robust.max-share = 0.5 would bound; leave it out"),
        ({"evaluate.on-clients": True, "partition.holdout": 0.1}, "evaluate.on-clients = true .* set it to false"),
        ({"privacy.max-dropouts": 2}, "no more than 4 clients: .* which leaves 2; .* at most 1"),
        ({"min-clients": 5, "fraction-train": 0.4}, "no more than 2 clients: .* which leaves 1; .* at most 0"),
        ({"min-clients": 1}, "no more than 1 clients: .* which leaves 0; .* raise them, or privacy.secure-sum"),
        ({"privacy.max-number": 1e6}, "privacy.max-number = 1e\\+06 times privacy.max-examples = 65536"),
    ],
    ids=str,
)
def test_settings_that_would_undo_a_secure_sum_are_refused_by_key_with_the_next_move(changed, reason):
    with pytest.raises(ConfigError, match=reason):
        parse_settings({**SECURE, **changed})


@pytest.mark.parametrize("where", ["client", "server"])
def test_a_secure_sum_goes_with_differential_privacy(where):
    private = {"privacy.noise-multiplier": 1.0, "privacy.where": where, "strategy.weighting": "uniform"}
    parse_settings({**SECURE, **private, "strategy.name": "fedit"})


def test_what_clients_and_server_agree_on_follows_from_the_settings_alone():
    uniform = parse_settings({**SECURE, "privacy.max-number": 8.0})
    examples = parse_settings({**SECURE, "strategy.name": "fedit", "privacy.max-dropouts": 0})
    assert rules_of(uniform.privacy, "uniform") == SecureSumRules(1, 8.0, 1)
    assert rules_of(examples.privacy, "examples") == SecureSumRules(0, 256.0, 65536)
    assert rules_of(parse_settings({}).privacy, "examples") is None


@pytest.mark.parametrize("num_clients", [2, 10, 1000])
def test_the_largest_range_that_is_allowed_leaves_20_bits_behind_the_point(num_clients):
    assert SecureSumRules(0, 2.0**16, 2**16).point(num_clients).fraction_bits >= 20
