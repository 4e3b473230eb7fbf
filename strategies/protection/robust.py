"""Rules that a minority of clients, faulty or hostile, cannot move at will: a bound on uploads, robust means.

Yin, Chen, Ramchandran, Bartlett, *Byzantine-Robust Distributed Learning*, ICML 2018, arXiv 1803.01498.
"""

from collections.abc import Callable, Mapping, Sequence
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
    max_share: float = 1.0
    """The largest share of a round's weight that one client has, above 0; 1 = any."""

    @property
    def reduction(self) -> Reduction | None:
        """None: the weighted mean, which needs no summand after it was added."""
        shares: dict[Mean, float] = {"median": 0.5, "trimmed-mean": self.trim}
        share = shares.get(self.combine)
        return None if share is None else lambda stacked: trimmed_mean(stacked, share)


def bounded_weights(weights: Sequence[float], max_share: float) -> list[float]:
    """Lower raw weights that are more than `max_share` of the sum until none is; the others stay as they are.

    So what is taken from some is spread over the others in proportion to theirs. Of m clients with a weight above 0 one
    has at least 1/m: where `max_share` is below, they all count alike.

    >>> bounded_weights([1.0, 3.0, 16.0], 0.5)
    [1.0, 3.0, 4.0]
    """
    positive = sorted((weight for weight in weights if weight > 0), reverse=True)
    share = max(max_share, 1 / max(1, len(positive)))
    if not positive or positive[0] <= share * sum(positive):
        return list(weights)
    for lowered in range(1, len(positive)):
        # k clients at the bound b, all others as they are: b = share (rest + k b).
        bound = share * sum(positive[lowered:]) / (1 - lowered * share)
        if positive[lowered] <= bound:
            return [min(weight, bound) for weight in weights]
    return [min(weight, positive[-1]) for weight in weights]  # equal shares, but for a rounding error


def lowered_shares(raw: Mapping[int, float], bounded: Sequence[float]) -> dict[int, dict[str, float]]:
    """Return by client, for those whose raw weight was bounded, the share that it would have had and that it has.

    Both are in one order.

    >>> lowered_shares({0: 1.0, 1: 3.0, 2: 16.0}, [1.0, 3.0, 4.0])
    {2: {'of': 0.8, 'to': 0.5}}
    """
    return {
        client: {"of": weight / sum(raw.values()), "to": now / sum(bounded)}
        for (client, weight), now in zip(raw.items(), bounded, strict=True)
        if now != weight
    }


def most_lowered(max_share: float) -> int:
    """Return how many clients can have more than this share at once."""
    return ceil(1 / max_share) - 1


def trimmed_mean(stacked: Float[Tensor, "n ..."], share: float) -> Float[Tensor, "..."]:
    """The mean of each coordinate without its c smallest and c largest values, c = min(ceil(share n), (n - 1) // 2).

    share = 0.5 is the median, of an even n the mean of the two in the middle. The result lies within the range of the
    honest values of the coordinate where at most c clients are not honest; c = 0 for n < 3.
    """
    n = stacked.shape[0]
    c = min(ceil(share * n), (n - 1) // 2)
    return stacked.sort(0).values[c : n - c].mean(0)


def within_bound(
    uploads: Sequence[Upload], norms: Sequence[float], bound: float
) -> tuple[list[Upload], list[Rejected]]:
    """Return the uploads whose change has a norm of at most `bound` medians of all norms, and the others as rejected.

    `norms` are those of the changes, one for each upload. No upload is beyond a median of 0: where most clients changed
    nothing, there is no scale to go by.
    """
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


def change_norm(tensors: State, unchanged: State) -> float:
    """Return ||tensors - unchanged||_F over all groups, float64."""
    squares = tensors.zip(unchanged.flat, lambda now, start: (now.double() - start.to(now).double()).square().sum())
    return sum(map(float, squares.flat.values())) ** 0.5
