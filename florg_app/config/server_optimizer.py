"""The settings of a server optimizer: what they make, and which methods they suit, and why not."""

from florg_app.config.flat import to_toml
from florg_app.config.protection import Reason
from florg_app.config.section import kebab
from florg_app.config.strategy_settings import StrategySettings
from strategies.method import Method
from strategies.plan import Role
from strategies.server.server_optimizer import ServerOptimizer

_UNUSED = {
    "none": ("server_learning_rate", "server_momentum", "server_beta2", "server_tau"),
    "fedavgm": ("server_beta2", "server_tau"),
    "fedadagrad": ("server_beta2",),
}
"""By optimizer: settings that it does not have."""


def server_optimizer_of(strategy: StrategySettings) -> ServerOptimizer | None:
    """Return the optimizer with its settings, those that are unset filled in; None where there is none."""
    rule = strategy.server_optimizer
    if rule == "none":
        return None
    rate = strategy.server_learning_rate or (1.0 if rule == "fedavgm" else 0.01)
    usual = 0.0 if rule == "fedadagrad" else 0.9
    momentum = usual if strategy.server_momentum is None else strategy.server_momentum
    return ServerOptimizer(rule, rate, momentum, strategy.server_beta2, strategy.server_tau)


def no_server_optimizer(method: Method) -> Reason:
    """Say why nothing can step towards the mean of its uploads; empty where something can."""
    if fresh := method.plan.named(Role.FRESH):
        return f"begins {' and '.join(fresh)} anew each round, so that moments of earlier rounds do not belong to them"
    if not method.plan.named(Role.SHARED):
        return "shares nothing that clients train, so that there is no mean"
    if not method.traits.mean_of_uploads:
        return (
            "combines something else than a mean of what clients upload, such as products or Gram matrices: that is no "
            "point in the space of the state, to which a step could lead"
        )
    if method.traits.rebased:
        return "turns its factors in a round, so that moments of earlier rounds point nowhere in their new coordinates"
    return ""


def check_server_optimizer(strategy: StrategySettings, method: Method) -> None:
    """Raise ValueError where the optimizer does not suit the method, or settings of it would do nothing."""
    rule, default = strategy.server_optimizer, StrategySettings()
    for name in _UNUSED.get(rule, ()):
        if (value := getattr(strategy, name)) != getattr(default, name):
            raise ValueError(
                f'strategy.{kebab(name)} = {to_toml(value)} has no effect with strategy.server-optimizer = "{rule}"; '
                "leave it out, or choose another strategy.server-optimizer"
            )
    if rule != "none" and (reason := no_server_optimizer(method)):
        raise ValueError(
            f'strategy.server-optimizer = "{rule}" is impossible with strategy.name = "{method.name}", which {reason}; '
            'set it to "none", or choose another strategy.name'
        )
