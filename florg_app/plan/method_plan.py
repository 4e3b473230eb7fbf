"""The figures of one method's run: what is trained, what travels, what is computed, what is held."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from transformers import PreTrainedModel

from clients.targets import find_targets, group_layers
from florg_app.adapted_layers import adapt_layers, initial_adapters
from florg_app.config.round_options import train_options
from florg_app.config.settings import Settings
from florg_app.plan.client_costs import client_costs
from florg_app.plan.client_steps import PlannedClient
from florg_app.plan.rounds import PlannedServer
from florg_app.plan.without_numbers import LiveBytes, bytes_within, drop_numbers, without_numbers
from florg_app.plan.workload import Workload
from florg_app.pretrained import outline_model
from florg_app.tasks.base import Task
from strategies.exchange.traffic import Traffic
from strategies.plan_check import check_plan
from strategies.server.server_optimizer import initial_moments
from strategies.state import State


@dataclass(frozen=True)
class ClientMemory:
    """The most that a client holds, in bytes, beside the libraries themselves."""

    model: int
    """The frozen backbone and the head."""
    adapters: int
    """Their symbols and bases."""
    step: int
    """Of a training step: what is kept for the backward pass, gradients, moments."""

    @property
    def total(self) -> int:
        return self.model + self.adapters + self.step


@dataclass(frozen=True)
class ServerMemory:
    """The most that the server holds in a round, in bytes, beside the libraries themselves and the evaluation."""

    model: int
    adapters: int
    state: int
    """What it holds between rounds."""
    aggregation: int

    @property
    def total(self) -> int:
        return self.model + self.adapters + self.state + self.aggregation


@dataclass(frozen=True)
class MethodPlan:
    """What a run by one method is going to cost."""

    method: str
    trained_numbers: int
    """Of a client: adapters and head."""
    head_numbers: int
    clients_per_round: float
    rounds: Sequence[tuple[int, Traffic, Traffic]]
    """Number, down and up of each, all clients together; of round 0 where there is one."""
    client_flops: float
    """Of one client's training in a round, on average."""
    server_flops: float
    """Of an aggregation, on average over the rounds from 1."""
    client_memory: ClientMemory
    server_memory: ServerMemory
    sizes_depend_on_values: bool
    """Whether sizes of what travels follow from what clients learn: the figures are then the least that they can be."""

    @property
    def down(self) -> Traffic:
        """Of the run."""
        return sum((down for _, down, _ in self.rounds), Traffic())

    @property
    def up(self) -> Traffic:
        """Of the run."""
        return sum((up for _, _, up in self.rounds), Traffic())


def plan_method(settings: Settings, task: Task, workload: Workload, num_clients: int, rounds: int) -> MethodPlan:
    """Work out what a run with these settings costs, without weights and without training.

    Raises:
        ValueError: The run would fail; names key, value and the next move.
    """
    check_plan(settings.method)
    model = outline_model(settings.model, task.head)
    with without_numbers() as live:
        return _plan(settings, task, model, workload, num_clients, rounds, live)


def _plan(
    settings: Settings,
    task: Task,
    model: PreTrainedModel,
    workload: Workload,
    num_clients: int,
    rounds: int,
    live: LiveBytes,
) -> MethodPlan:
    method = settings.method
    drop_numbers(model)
    model_bytes = bytes_within(list(model.parameters()), list(model.buffers()))
    groups = group_layers(find_targets(model, settings.adapter.targets, method.plan.targets))
    layers = adapt_layers(settings, model, groups)
    adapted, manifest, fixed = layers.adapted, layers.manifest, layers.fixed
    initial = State(initial_adapters(method, manifest, adapted.weights)).join(layers.head)
    initial = initial.join(initial_moments(manifest, initial, layers.server_optimizer))
    server = PlannedServer(settings, manifest, fixed, initial.select(manifest.held), num_clients, live)
    planned = list(server.rounds(rounds))
    trained = [plan for plan in planned if plan.t > 0]
    client = PlannedClient(adapted, method, manifest, train_options(settings, 1), task.loss, live)
    kept = initial.select(manifest.kept)
    costs = client_costs(client, workload, [(plan.t, plan.state.join(kept)) for plan in trained])
    held = max((bytes_within(plan.state) for plan in trained), default=0)
    return MethodPlan(
        method=method.name,
        trained_numbers=costs.trained_numbers,
        head_numbers=manifest.head_numbers,
        clients_per_round=mean([len(plan.asked) for plan in trained]),
        rounds=[(plan.t, plan.down, plan.up) for plan in planned],
        client_flops=costs.flops,
        server_flops=mean([plan.server_flops for plan in trained]),
        client_memory=ClientMemory(model_bytes, costs.adapter_bytes + bytes_within(fixed), costs.step_bytes),
        server_memory=ServerMemory(
            model_bytes,
            costs.adapter_bytes + bytes_within(fixed),
            held,
            max((plan.server_bytes for plan in trained), default=0),
        ),
        sizes_depend_on_values=server.sizes_depend_on_values,
    )
