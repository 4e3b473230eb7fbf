"""Who takes part in a round, how many must answer, and how long the server waits."""

from dataclasses import dataclass, field

from strategies.method import Weighting
from strategies.robust import Robustness
from strategies.uploads import UploadForm

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
    robust: Robustness = field(default_factory=Robustness)
    evaluate_on_clients: bool = False
    client_ranks: tuple[int, ...] = ()
    """The client of partition p has rank client_ranks[p modulo their number]; () = all have the largest."""
    measure_costs: bool = False
    """Of the server's combination, see `strategies.costs`."""
