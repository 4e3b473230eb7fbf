"""What all rounds of a run have in common on the server."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from strategies.bases.basis import Fixed
from strategies.manifest import Manifest
from strategies.method import Method
from strategies.parametrisation import PARAMETRISATIONS
from strategies.server.cost_meter import PeakMemory
from strategies.server.mean_update import MeanUpdate
from strategies.server.round_policy import Policy
from strategies.state import State


@dataclass(frozen=True)
class RoundSetup:
    """What all rounds of a run have in common."""

    method: Method
    manifest: Manifest
    policy: Policy
    device: torch.device
    """Of the aggregation."""
    bases: Mapping[str, Fixed] | None
    """By group, as `diagnostics.for_norms` gives them; None: no diagnostics."""
    memory: PeakMemory | None

    def mean_updates(self, start: State, lowered: int) -> dict[str, MeanUpdate]:
        """Begin what the diagnostics need to know of a round's uploads, by group; nothing without diagnostics.

        start: the state as the round begins; lowered: how many weights may still be lowered.
        """
        kind = PARAMETRISATIONS[self.manifest.plan.adapter]
        return {
            name: MeanUpdate(kind, fixed, self.manifest.scale, start[name], lowered)
            for name, fixed in (self.bases or {}).items()
        }
