"""The rules of a round: who takes part, how many must answer, how long the server waits, what an upload counts for."""

from dataclasses import dataclass, field

from torch import Tensor

from strategies.exchange.codecs.table import Wire
from strategies.exchange.screening import Upload
from strategies.exchange.uploads import UploadForm
from strategies.linalg import squared_norm_of_product
from strategies.parametrisation import PARAMETRISATIONS
from strategies.plan import Plan, Weighting
from strategies.protection.robust import Robustness
from strategies.protection.secure_sum.rules import SecureSumRules
from strategies.server.server_optimizer import ServerOptimizer

SKIPPED, RANKS, ASKED = "skipped-in-a-row", "ranks", "asked"
"""Keys of what the strategy knows beside the state: skipped rounds in a row; by partition lowered ranks, and under
differential privacy the rounds in which a client was asked."""


@dataclass(frozen=True)
class Policy:
    """The rules of every round; times in seconds."""

    fraction_train: float = 1.0
    min_clients: int = 2
    min_uploads: int = 1
    max_skipped: int = 3
    round_timeout: float = 3600.0
    wait_timeout: float = 600.0
    weighting: Weighting = "examples"
    upload: UploadForm = "tensors"
    wire: Wire = field(default_factory=Wire)
    """How tensors travel."""
    robust: Robustness = field(default_factory=Robustness)
    evaluate_on_clients: bool = False
    client_ranks: tuple[int, ...] = ()
    """The client of partition p has rank client_ranks[p modulo their number]; () = all have the largest."""
    more_metrics: tuple[str, ...] = ()
    """Names of numbers that clients report beside those of `strategies.exchange.metrics`; a round takes their mean."""
    secure_sum: SecureSumRules | None = None
    """None: the server sees every upload."""
    measure_costs: bool = False
    """Of the server's combination, see `strategies.server.cost_meter`."""
    server_optimizer: ServerOptimizer | None = None
    """None: what the method makes of the mean is the next state."""


def raw_weight(weighting: Weighting, plan: Plan, upload: Upload) -> float:
    """Return what an upload counts for before weights are normalised.

    Args:
        weighting: "uniform" 1, "examples" the number of training examples, "norm" ||dW_n||_F over all layers of all
            groups, without the scale: that of the factors' product, in O((o + i) r^2) per layer.
        plan: that of the method; under "norm" clients upload both factors.
        upload: an accepted one.
    """
    if weighting == "norm":
        make = PARAMETRISATIONS[plan.adapter].factors
        groups = upload.tensors.adapters.map(Tensor.double).values()
        return sum(squared_norm_of_product(*make(tensors, {}, 1.0)) for tensors in groups) ** 0.5
    return upload.num_examples if weighting == "examples" else 1.0
