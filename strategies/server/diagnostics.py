"""The numbers about a round's step for its record: how well it kept what clients learned, without forming a dW."""

from collections.abc import Mapping

import torch

from strategies.bases.basis import Basis, Fixed, Identity
from strategies.manifest import Manifest, state_at_start
from strategies.server.combination import Combination
from strategies.server.mean_update import MeanUpdate
from strategies.state import State


def for_norms(fixed: Fixed, device: torch.device) -> Fixed:
    """The FIXED values in float64 on the device, without the isometric bases, which norms do not see."""
    return {
        symbol: Identity(value.rows)
        if isinstance(value, Basis) and value.isometric
        else value.to(device, torch.float64)
        for symbol, value in fixed.items()
    }


def diagnose(
    manifest: Manifest, means: Mapping[str, MeanUpdate], combination: Combination, new: State
) -> dict[str, dict[str, float]]:
    """By group: the aggregation error of a finished combination, and the method's own numbers.

    Args:
        manifest: of the run.
        means: what the uploads of each group come to; none where they were summands, which have no dW of their own.
        combination: that is finished.
        new: the state that it made.
    """
    method, old = combination.method, combination.start
    next_begins = state_at_start(method, manifest, new, combination.t + 1)
    result: dict[str, dict[str, float]] = {}
    for name in (group.name for group in manifest.groups):
        error = (
            {"aggregation-error": means[name].error_of(next_begins[name], combination.weights)} if name in means else {}
        )
        result[name] = error | method.diagnose(old[name], new[name])
    return result
