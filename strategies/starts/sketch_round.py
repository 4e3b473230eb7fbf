"""Round 0 as a method of its own: clients upload sketches of their gradients at the start, which are only added up.

So weights, screening, robust combination, differential privacy, secure sums and the traffic of round 0 are those of
every other round.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from strategies.manifest import Manifest
from strategies.method import Method
from strategies.plan import Plan, Role, Traits, Weighting
from strategies.starts.sketch import leading_directions, probe_matrices
from strategies.state import Group, State, Tensors

ROUND_ZERO = 0
"""The number of the round before the first."""


@dataclass(frozen=True, kw_only=True)
class GradientSketch(Method):
    """Y = sum_n w_n G_n Omega (l, o, p) and X = sum_n w_n G_n^T Psi (l, i, p), p the manifest's rank."""

    name = "gradient-sketch"
    summary = "sketches of the clients' gradients at the start, added up"

    weighting: Weighting = "examples"

    @property
    def plan(self) -> Plan:
        roles = {"Y": Role.FRESH, "X": Role.FRESH}
        return Plan(adapter="sketch", roles=roles, weighting=self.weighting, head=Role.FIXED, scaled=False)

    @property
    def traits(self) -> Traits:
        return Traits(mean_of_uploads=True)

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """Nothing is held from round to round."""
        return {}

    def round_start(self, t: int, group: Group, rank: int, seed: int) -> Tensors:
        """Zeros: the sketches of a client whose loss depends on no weight."""
        num_layers = len(group.layers)
        return {
            "Y": torch.zeros(num_layers, group.out_features, rank),
            "X": torch.zeros(num_layers, group.in_features, rank),
        }


def sketch_round(method: Method, manifest: Manifest, columns: int) -> tuple[GradientSketch, Manifest]:
    """Return the method of round 0 and its layout, sketches of `columns` columns, for a run of this method.

    Weights by the norm of an update, of which there is none yet, become uniform.
    """
    weighting = method.plan.weighting
    sketch = GradientSketch(weighting="uniform" if weighting == "norm" else weighting)
    return sketch, replace(manifest, method=sketch.name, plan=sketch.plan, head=(), rank=columns, scale=1.0)


def begun_from_gradient(
    method: Method, manifest: Manifest, columns: int, state: State, sketches: Mapping[str, Tensors]
) -> State:
    """Return the server's state as round 1 begins from the sketches' sum: with what the method makes of its directions.

    manifest: of the run; state: as it begins without.
    """
    begun: dict[str, Tensors] = {}
    for group in manifest.groups:
        Omega, _ = probe_matrices(group, columns, manifest.seed)
        mean = sketches[group.name]
        made = method.from_gradient(*leading_directions(mean["Y"], mean["X"], Omega, manifest.rank))
        begun[group.name] = {symbol: tensor.float().contiguous() for symbol, tensor in made.items()}
    return state.join(State(begun))
