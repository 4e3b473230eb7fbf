"""From which adapter of a PEFT folder a run begins: read, its head and other modules put in place, merged if wanted."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from clients.adapter_folder import PeftInput
from clients.linear import is_linear, stored_weight
from clients.targets import endings, find_head
from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from strategies.parametrisation import LayerFactors
from strategies.plan import KEPT

KEY = "adapter.start-from"

EXACT = 1e-5
"""A relative distance that rounding explains."""


@dataclass(frozen=True)
class StartAdapter:
    """What a model begins with beside its checkpoint."""

    factors: LayerFactors
    """B' (o, m), with the scale, and A' (m, i) of each layer by name."""
    merged: bool
    """Whether they are in W0; else the method's own symbols begin from them."""
    brought: tuple[str, ...]
    """Weights of the backbone that came with it, by name."""
    fingerprint: str
    notes: tuple[str, ...]


def require_start(settings: Settings) -> None:
    """Raise ConfigError where this machine, the server, lacks the folder that a new run starts from."""
    folder = settings.adapter.start_from
    if folder is not None and not folder.is_dir():
        raise ConfigError(
            f'{KEY} = "{folder}": no such folder on the server; it must be a local PEFT folder (of the hub: '
            "hf download NAME --local-dir FOLDER)"
        )


def check_start_as(settings: Settings) -> None:
    """Raise ConfigError where the settings say how to begin from an adapter, and name none."""
    adapter = settings.adapter
    if adapter.start_from is None and adapter.start_as != "factors":
        raise ConfigError(f'adapter.start-as = "{adapter.start_as}" is read with {KEY} alone; set that, or remove it')


def find_start(settings: Settings, model: PreTrainedModel, beside: Path | None) -> StartAdapter | None:
    """The adapter that the settings name, or that lies `beside` the model; the model gets what belongs into it.

    None where there is none, or where it is on the server alone and all that clients need of it is sent to them.
    Raises ValueError where it does not fit the model or the settings.
    """
    adapter = settings.adapter
    if beside is not None:
        if adapter.start_from is not None:
            raise ConfigError(
                f'{KEY} = "{adapter.start_from}", but {beside} holds an adapter beside its model already; move that '
                "one elsewhere, or remove the setting"
            )
        note = f'model.name = "{beside}" holds an adapter beside the model: it is merged into it'
        return _start(_read(beside, model, "model.name"), model, merged=True, notes=(note,))
    if adapter.start_from is None:
        check_start_as(settings)
        return None
    merged = adapter.start_as == "merged"
    if not adapter.start_from.is_dir():
        if reasons := _needed_by_clients(settings, merged):
            raise ConfigError(
                f'{KEY} = "{adapter.start_from}": no such folder on this machine, and every node needs it, {reasons}; '
                "copy it there"
            )
        return None
    found = _read(adapter.start_from, model, KEY)
    scale = adapter.alpha / adapter.rank if settings.method.plan.scaled else 1.0
    scales = ", ".join(f"rank {rank}, alpha / rank = {own:g}" for rank, own in found.scales)
    note = (
        f'{KEY} = "{adapter.start_from}": {len(found.factors)} layers ({scales}; here rank {adapter.rank}, {scale:g})'
    )
    return _start(found, model, merged, (note + (", merged into W0" if merged else ""),))


def check_start_targets(start: StartAdapter | None, targets: Collection[str]) -> None:
    """Raise ConfigError where the factors of an adapter have no place among the adapted layers."""
    if start is None or start.merged or not (outside := start.factors.keys() - set(targets)):
        return
    raise ConfigError(
        f"{KEY}: it also adapts {min(outside)}, which this run does not ({len(outside)} of its {len(start.factors)} "
        f'layers); set adapter.targets = "{",".join(endings(start.factors))}", or adapter.start-as = "merged"'
    )


def distance_in_words(distance: float) -> str:
    """How near round 1 begins to the update of an adapter; distance: relative, in the Frobenius norm."""
    remedy = "" if distance < EXACT else '; adapter.start-as = "merged" begins there exactly'
    return f"{KEY}: round 1 begins at a distance of {distance:.2g} of its update's norm from it{remedy}"


def joined(factors: LayerFactors, start: StartAdapter | None) -> LayerFactors:
    """The factors of a run with those of the adapter merged into its W0: what both change of the checkpoint."""
    before = start.factors if start is not None and start.merged else {}
    both = dict(before)
    for layer, (up, down) in factors.items():
        if layer in before:
            up, down = torch.cat([before[layer][0], up], 1), torch.cat([before[layer][1], down], 0)
        both[layer] = up, down
    return both


def _read(folder: Path, model: PreTrainedModel, key: str) -> PeftInput:
    from clients.peft_input import read_peft  # peft costs every process that starts for one message, and few need it

    return read_peft(folder, model, key)


def _needed_by_clients(settings: Settings, merged: bool) -> str:
    """Why clients need the folder themselves; "" where the server sends them all that comes of it."""
    plan = settings.method.plan
    if merged:
        return 'since adapter.start-as = "merged" makes it a part of W0, which is never sent'
    own = [*plan.named(*KEPT), *(["the head"] if plan.head in KEPT else [])]
    return (
        f'since clients of strategy.name = "{settings.method.name}" keep {" and ".join(own)} to themselves'
        if own
        else ""
    )


@torch.no_grad()
def _start(found: PeftInput, model: PreTrainedModel, merged: bool, notes: tuple[str, ...]) -> StartAdapter:
    brought, about_head = _put_whole(found.whole, model)
    if merged:
        for name, (up, down) in found.factors.items():
            layer = model.get_submodule(name)
            weight = stored_weight(layer) if is_linear(layer) else None
            if weight is None:
                raise ConfigError(
                    f"{KEY}: {name} is quantised, so that nothing can be merged into it; set model.quantization = "
                    '"none", or adapter.start-as = "factors"'
                )
            change = up.to(weight.device, torch.float32) @ down.to(weight.device, torch.float32)
            weight.copy_(weight + change)
    return StartAdapter(found.factors, merged, brought, found.fingerprint, (*notes, *about_head))


def _put_whole(whole: Mapping[str, Tensor], model: PreTrainedModel) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(weights of the backbone that were overwritten, sentences about those that were not)."""
    own, head = model.state_dict(), find_head(model)
    other = [name for name in whole if name not in own]
    smaller = [name for name in whole if name in head and own[name].shape != whole[name].shape]
    wrong = [name for name in whole if name in own and name not in head and own[name].shape != whole[name].shape]
    if wrong:
        raise ConfigError(
            f"{KEY}: its {wrong[0]} is {tuple(whole[wrong[0]].shape)}, that of the model {tuple(own[wrong[0]].shape)}; "
            "name the model that it was trained on in model.name, resized as it was"
        )
    for name in whole.keys() - {*other, *smaller}:
        own[name].copy_(whole[name])
    notes = []
    if smaller:
        notes.append(f"{KEY}: its head has other outputs than the task needs, so that the run begins with its own")
    if other:
        notes.append(f"{KEY}: {', '.join(sorted(other))} of it has no place in this model and is left aside")
    return tuple(name for name in own if name in whole and name not in {*head, *other}), tuple(notes)
