"""The plans of a run by several methods side by side, of the same settings but for the method's own."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from florg_app.config.flat import FlatConfig
from florg_app.config.parse import ConfigError, parse_settings
from florg_app.config.round_options import train_options
from florg_app.config.runconfig import overlay
from florg_app.config.settings import Settings
from florg_app.plan.method_plan import MethodPlan, plan_method
from florg_app.plan.rounds import asked_partitions
from florg_app.plan.workload import Described, Workload, make_workload
from florg_app.tasks.registry import make_task
from strategies import METHODS
from strategies.exchange.traffic import Traffic


@dataclass(frozen=True)
class RunPlan:
    """What a run would cost by each method."""

    settings: Settings
    """Those given, with their own method."""
    num_clients: int
    num_rounds: int
    plans: Sequence[MethodPlan]
    impossible: Sequence[tuple[str, str]]
    """Methods that these settings, this task or this model do not suit, and why."""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "model": self.settings.model.name,
            "task": self.settings.task.name,
            "rank": self.settings.adapter.rank,
            "clients": self.num_clients,
            "rounds": self.num_rounds,
            "methods": [_as_dict(plan) for plan in self.plans],
            "impossible": dict(self.impossible),
        }


def _as_dict(plan: MethodPlan) -> dict[str, Any]:
    return {
        "method": plan.method,
        "trained-numbers": plan.trained_numbers,
        "head-numbers": plan.head_numbers,
        "sizes-depend-on-values": plan.sizes_depend_on_values,
        "clients-per-round": plan.clients_per_round,
        "run": {"down": _traffic(plan.down), "up": _traffic(plan.up)},
        "rounds": [{"round": t, "down": _traffic(down), "up": _traffic(up)} for t, down, up in plan.rounds],
        "client-flops": plan.client_flops,
        "server-flops": plan.server_flops,
        "client-memory-bytes": {**asdict(plan.client_memory), "total": plan.client_memory.total},
        "server-memory-bytes": {**asdict(plan.server_memory), "total": plan.server_memory.total},
    }


def _traffic(traffic: Traffic) -> dict[str, int]:
    return {name.replace("_", "-"): value for name, value in asdict(traffic).items()}


def plan_run(
    chosen: FlatConfig,
    names: Sequence[str],
    num_clients: int,
    num_rounds: int | None,
    described: Described,
) -> RunPlan:
    """Work out what a run costs by each method.

    Args:
        chosen: every setting, as `runconfig.gather_run_config` gives them.
        names: of the methods; none: all there are, and those that do not suit are said.
        num_clients: of the federation.
        num_rounds: None: num-server-rounds of the settings.
        described: what is said of rows instead of reading them.

    Raises:
        ValueError: Unusable settings, an unknown method, or one that is named and does not suit; with the reason.
    """
    own = parse_settings(chosen)
    if unknown := [name for name in names if name not in METHODS]:
        raise ConfigError(f"--methods {','.join(unknown)}: no such method; choose of {', '.join(METHODS)}")
    rounds = own.num_server_rounds if num_rounds is None else num_rounds
    plans, impossible = [], []
    workloads: dict[bool, Workload] = {}
    for name in names or METHODS:
        try:
            other = name != own.strategy.name
            settings = parse_settings(overlay(chosen, {"strategy.name": name}, chosen)) if other else own
            _check_known(settings)
            plans.append(_planned(settings, num_clients, rounds, described, workloads))
        except ValueError as error:
            if names or name == own.strategy.name:
                raise
            impossible.append((name, str(error)))
    return RunPlan(own, num_clients, rounds, plans, impossible)


def _check_known(settings: Settings) -> None:
    """Raise ConfigError for what no plan knows."""
    if settings.privacy.secure_sum:
        raise ConfigError(
            "privacy.secure-sum = true: the keys and shares of a secure sum are not planned; set it to false, and take "
            "the figures of the page on secure sums for what it adds"
        )
    if settings.adapter.start_from is not None and settings.adapter.start_as == "factors":
        raise ConfigError(
            "adapter.start-from: a plan begins as the method does; leave it out, it changes no size of what travels"
        )


def _planned(
    settings: Settings, num_clients: int, rounds: int, described: Described, workloads: dict[bool, Workload]
) -> MethodPlan:
    """One method's; what clients train on is found out once for all methods that divide the rows alike."""
    task, pooled = make_task(settings), settings.method.traits.pooled
    if pooled not in workloads:
        asked = [(t, asked_partitions(settings, num_clients, t)) for t in range(1, rounds + 1)]
        options = train_options(settings, 1)
        workloads[pooled] = make_workload(settings, task, options, asked, num_clients, described)
    return plan_method(settings, task, workloads[pooled], num_clients, rounds)
