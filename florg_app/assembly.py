"""What settings determine and both sides need: task, data, model with adapters, manifest, identity, scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from clients.adapted_model import AdaptedModel
from clients.backbone import shared, weights_fingerprint
from clients.batches import Collate
from clients.predict import predict
from clients.target_notes import target_notes
from clients.targets import find_targets, group_layers
from florg_app.adapted_layers import adapt_layers, initial_adapters
from florg_app.config.parse import ConfigError
from florg_app.config.server_optimizer import server_optimizer_of
from florg_app.config.settings import Settings
from florg_app.data.features import ClientDatasets
from florg_app.data.token_identity import token_fingerprint
from florg_app.fitting import fit, row_limits
from florg_app.identity import shared_identity
from florg_app.pretrained import load_pretrained
from florg_app.start_adapter import StartAdapter, check_start_targets, find_start
from florg_app.tasks.base import Features, Preprocessor, Task
from florg_app.tasks.registry import make_task
from strategies.bases.basis import Fixed
from strategies.exchange.ranks import limited
from strategies.manifest import Manifest, fresh_state
from strategies.method import Method
from strategies.parametrisation import LayerFactors
from strategies.plan_check import check_plan
from strategies.server.server_optimizer import ServerOptimizer, initial_moments
from strategies.starts.from_adapter import start_distance, start_from
from strategies.state import State


@dataclass(frozen=True)
class Assembly:
    """One process's working parts of a run; one live copy serves the server and all simulated clients in turn."""

    task: Task
    preprocessor: Preprocessor
    data: ClientDatasets
    collate: Collate
    adapted: AdaptedModel
    manifest: Manifest
    fixed: Mapping[str, Fixed]
    identity: Mapping[str, str]
    """What every client must share with the server; see `strategies.exchange.wire.ADVICE`."""
    head: State
    """The model's fresh head; empty where it has none."""
    method: Method
    drawn: tuple[str, ...]
    """Weights of the backbone that are not in the checkpoint `model.name`, by name."""
    start: StartAdapter | None
    """The adapter that the run begins from; None where it begins as its method does."""
    has_adapter_beside: bool
    """Whether the folder `model.name` holds that adapter, so that who loads the model gets it as well."""
    notes: tuple[str, ...]
    """What a user should know of the model before the first round, a sentence each."""
    server_optimizer: ServerOptimizer | None
    """Whose moments the server keeps beside the method's tensors."""

    @cached_property
    def initial_state(self) -> State:
        """Before anything is trained: the method's initial adapters and the model's fresh head, on server and clients.

        Made at its first use, since what comes from W0 is costly and most clients need none of it.
        """
        adapters = initial_adapters(self.method, self.manifest, self.adapted.weights)
        if self._begins_from:
            kind, scale = self.method.plan.adapter, self.manifest.scale
            adapters = {
                g.name: start_from(kind, g, adapters[g.name], self.fixed[g.name], scale, self._begins_from)
                for g in self.manifest.groups
            }
        state = State(adapters).join(self.head)
        return state.join(initial_moments(self.manifest, state, self.server_optimizer))

    @cached_property
    def start_distance(self) -> float | None:
        """||dW - D||_F / ||D||_F before round 1, D the update of the adapter that the method's symbols begin from.

        None where they begin from none.
        """
        if not self._begins_from:
            return None
        manifest, pairs = self.manifest, []
        for group in manifest.groups:
            first = self.method.round_start(1, group, manifest.rank, manifest.seed)
            symbols = {**first, **self.initial_state[group.name]}
            fixed, kind = self.fixed[group.name], self.method.plan.adapter
            pairs.append(start_distance(kind, group, symbols, fixed, manifest.scale, self._begins_from))
        error, size = (sum(part) for part in zip(*pairs, strict=True))
        return (error / size) ** 0.5 if size else 0.0

    @property
    def _begins_from(self) -> LayerFactors:
        return {} if self.start is None or self.start.merged else self.start.factors

    def load(self, state: State, t: int, rank: int | None = None) -> None:
        """Fill the model with what a round begins with.

        Args:
            state: the broadcast and what a client keeps, or the server's, of which what is its own alone is left out.
            t: the round, from 1; it has FRESH tensors, and may have roles, of its own.
            rank: that of the client; None: the largest.
        """
        fresh, own = fresh_state(self.method, self.manifest, t), rank or self.manifest.rank
        lower, hidden = self.fixed if own < self.manifest.rank else {}, self.manifest.server_only
        self.adapted.assume(self.method.plan_at(t))
        self.adapted.rebase({name: self.method.own_bases(fixed, state[name], own) for name, fixed in lower.items()})
        self.adapted.fill(state.select(key for key in state.flat if key not in hidden))
        self.adapted.refresh(fresh if rank is None else limited(fresh, self.manifest, rank))


def assemble(
    settings: Settings, device: torch.device, data_path: Path | None = None, validation_path: Path | None = None
) -> Assembly:
    """Load, wrap and check the model, once per process, settings and paths.

    Args:
        settings: all of the run's.
        device: where the model is put.
        data_path: a SuperNode's own rows, if it has any.
        validation_path: its own validation rows.

    Returns:
        The one live copy, which the server and all simulated clients of a process use in turn.

    Raises:
        ValueError: naming the key, where model, task, targets and rank do not fit together.
    """
    parts = (settings.model, settings.task, settings.partition, settings.adapter, settings.method, settings.seed)
    also = (server_optimizer_of(settings.strategy), settings.evaluate.generate_rows)
    key = ("assembly", *parts, *also, str(device), data_path, validation_path)
    return shared(key, lambda: _assemble(settings, device, data_path, validation_path))


def _assemble(
    settings: Settings, device: torch.device, data_path: Path | None, validation_path: Path | None
) -> Assembly:
    method = settings.method
    check_plan(method)
    if method.traits.pooled and data_path is not None:
        raise ConfigError(
            f'strategy.name = "{method.name}" trains one client on the rows of all, but this one has a data-path with '
            "its own; choose another strategy.name, or start the SuperNodes without data-path"
        )
    task = make_task(settings, data_path, validation_path)
    pretrained = load_pretrained(settings.model, task.head, settings.seed, device)
    model, patterns = pretrained.model, settings.adapter.targets
    start = find_start(settings, model, pretrained.beside)
    fitted = fit(task, pretrained.preprocessor, model, settings)
    backbone = weights_fingerprint(model)[:16]
    targets = find_targets(model, patterns, method.plan.targets, fitted.trial.reached)
    groups = group_layers(targets)
    check_start_targets(start, targets)
    notes = (
        *pretrained.notes,
        *(start.notes if start else ()),
        *fitted.notes,
        *target_notes(model, targets, patterns, fitted.trial.reached),
    )
    layers = adapt_layers(settings, model, groups)
    return Assembly(
        task=task,
        preprocessor=pretrained.preprocessor,
        data=ClientDatasets(
            task,
            pretrained.preprocessor,
            settings,
            private=data_path is not None,
            own_validation=validation_path is not None,
            limits=row_limits(task, pretrained.preprocessor, fitted.limits),
        ),
        collate=task.collate(pretrained.preprocessor),
        adapted=layers.adapted,
        manifest=layers.manifest,
        fixed=layers.fixed,
        identity={
            **shared_identity(layers.manifest, backbone, task.label_names, layers.fixed, start),
            "tokens": token_fingerprint(pretrained.preprocessor, settings.task.template_date),
        },
        head=layers.head,
        method=method,
        drawn=tuple(dict.fromkeys((*pretrained.drawn, *(start.brought if start else ())))),
        start=start,
        has_adapter_beside=pretrained.beside is not None,
        notes=notes,
        server_optimizer=layers.server_optimizer,
    )


def score_model(assembly: Assembly, features: Features, settings: Settings) -> dict[str, float]:
    """The task's metrics of the filled model on these rows."""
    predictions = predict(
        assembly.adapted,
        features,
        assembly.collate,
        assembly.task.predict,
        settings.evaluate.batch_size,
        assembly.adapted.model.device,
        settings.train.precision,
    )
    return assembly.task.score(predictions, features)


def central_rows(data: ClientDatasets, settings: Settings, num_clients: Callable[[], int]) -> Features:
    """What the server scores the global model on; how many clients there are is asked where the rows depend on it."""
    return data.held_out(num_clients()) if settings.evaluate.rows == "union-held-out" else data.validation
