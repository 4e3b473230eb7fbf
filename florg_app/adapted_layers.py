"""What becomes of a model's layers under the settings of a run: their adapters, bases and layout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel

from clients.adapted_model import AdaptedModel
from clients.targets import find_head
from florg_app.config.server_optimizer import server_optimizer_of
from florg_app.config.settings import Settings
from strategies.bases.basis import Fixed
from strategies.manifest import Manifest
from strategies.method import Method
from strategies.plan_check import check_made
from strategies.server.server_optimizer import ServerOptimizer, plan_with_moments
from strategies.state import HEAD, FrozenWeights, Group, State, Tensors


@dataclass(frozen=True)
class AdaptedLayers:
    """A model with its adapters in place, their bases set, and what it tells of its tensors."""

    adapted: AdaptedModel
    manifest: Manifest
    fixed: Mapping[str, Fixed]
    """By group."""
    server_optimizer: ServerOptimizer | None
    head: State
    """The model's head as it is; empty where it has none."""


def adapt_layers(settings: Settings, model: PreTrainedModel, groups: Sequence[Group]) -> AdaptedLayers:
    """Put the adapters of the settings on these layers of a model. Raises ValueError where the method cannot."""
    method, rank, seed = settings.method, settings.adapter.rank, settings.seed
    for group in groups:
        method.check(group, rank)
    head = tuple((name, tuple(parameter.shape)) for name, parameter in find_head(model).items())
    scale = settings.adapter.alpha / rank if method.plan.scaled else 1.0
    optimizer = server_optimizer_of(settings.strategy)
    plan = plan_with_moments(method.plan, optimizer)
    manifest = Manifest(method.name, plan, tuple(groups), head, rank, scale, seed)
    adapted = AdaptedModel(model, method.plan, groups, rank, scale, settings.adapter.dropout)
    fixed = {group.name: method.fixed(group, rank, seed, adapted.weights) for group in groups}
    adapted.fix(fixed)
    fresh_head = State({HEAD: adapted.read(method.plan.head).get(HEAD, {})})
    return AdaptedLayers(adapted, manifest, fixed, optimizer, fresh_head)


def initial_adapters(method: Method, manifest: Manifest, weights: FrozenWeights) -> dict[str, Tensors]:
    """Make a method's symbols before round 1, by group. Raises ValueError where they are not those of its plan."""
    rank, scale, seed = manifest.rank, manifest.scale, manifest.seed
    adapters = {
        group.name: {**method.initial(group, rank, seed), **method.from_weights(group, rank, scale, weights)}
        for group in manifest.groups
    }
    for tensors in adapters.values():
        check_made(method, tensors)
    return adapters
