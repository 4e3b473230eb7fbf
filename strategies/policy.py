"""Who takes part in a round, how many must answer, and how long the server waits."""

from dataclasses import dataclass

from strategies.method import Weighting

SKIPPED, RANKS = "skipped-in-a-row", "ranks"
"""Keys of what the strategy knows beside the state: skipped rounds in a row, lowered ranks by partition."""


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
    evaluate_on_clients: bool = False
    client_ranks: tuple[int, ...] = ()
    """The client of partition p has rank client_ranks[p modulo their number]; () = all have the largest."""
    measure_costs: bool = False
    """Of the server's combination, see `strategies.costs`."""
