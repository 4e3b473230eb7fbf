"""Rules that a minority of clients, faulty or hostile, cannot move at will: a bound on uploads, robust means.

Yin, Chen, Ramchandran, Bartlett, *Byzantine-Robust Distributed Learning*, ICML 2018, arXiv 1803.01498.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from strategies.exchange.screening import Rejected, Upload
from strategies.state import State

Mean = Literal["mean", "median", "trimmed-mean"]
"""How the summands of a round become one: weighted, or coordinate by coordinate with every client alike."""

Reduction = Callable[[Float[Tensor, "n ..."]], Float[Tensor, "..."]]
"""(n, ...) -> (...)"""


@dataclass(frozen=True)
class Robustness:
    """What a round does against uploads that are unlike the others."""

    norm_bound: float = 0.0
    """The norm of a change that is accepted, in medians of the round's; 0 = any."""
    combine: Mean = "mean"
    trim: float = 0.1
    """Share of the values of a coordinate that "trimmed-mean" leaves out at each end, below 0.5."""

    @property
    def reduction(self) -> Reduction | None:
        """None: the weighted mean, which needs no summand after it was added."""
        shares: dict[Mean, float] = {"median": 0.5, "trimmed-mean": self.trim}
        share = shares.get(self.combine)
        return None if share is None else lambda stacked: trimmed_mean(stacked, share)


def trimmed_mean(stacked: Float[Tensor, "n ..."], share: float) -> Float[Tensor, "..."]:
    """The mean of each coordinate without its c smallest and c largest values, c = min(ceil(share n), (n - 1) // 2).

    share = 0.5 is the median, of an even n the mean of the two in the middle. The result lies within the range of the
    honest values of the coordinate where at most c clients are not honest; c = 0 for n < 3.
    """
    n = stacked.shape[0]
    c = min(ceil(share * n), (n - 1) // 2)
    return stacked.sort(0).values[c : n - c].mean(0)


def within_bound(
    uploads: Sequence[Upload], zero_update: Callable[[int], State], bound: float, exempt: Collection[str] = ()
) -> tuple[list[Upload], list[Rejected]]:
    """Return the uploads whose change has a norm of at most `bound` medians of all norms, and the others as rejected.

    The change is that from `zero_update`, by rank, over all tensors but those under the keys `exempt`. No upload is
    beyond a median of 0: where most clients changed nothing, there is no scale to go by.
    """
    unchanged = {rank: zero_update(rank) for rank in {upload.rank for upload in uploads}}
    norms = [change_norm(upload.tensors, unchanged[upload.rank], exempt) for upload in uploads]
    middle = float(trimmed_mean(torch.tensor(norms, dtype=torch.float64), 0.5)) if norms else 0.0
    kept: list[Upload] = []
    beyond: list[Rejected] = []
    for upload, norm in zip(uploads, norms, strict=True):
        if middle == 0 or norm <= bound * middle:
            kept.append(upload)
        else:
            reason = (
                f"its change has norm {norm:.3g}, {norm / middle:.3g} times the median of the round's uploads, "
                f"above robust.norm-bound = {bound:g}"
            )
            beyond.append(Rejected(upload.partition, reason))
    return kept, beyond


def change_norm(tensors: State, unchanged: State, exempt: Collection[str] = ()) -> float:
    """||tensors - unchanged||_F over all groups, float64."""
    counted = tensors.select(key for key in tensors.flat if key not in exempt)
    squares = counted.zip(unchanged.flat, lambda now, start: (now.double() - start.to(now).double()).square().sum())
    return sum(map(float, squares.flat.values())) ** 0.5
