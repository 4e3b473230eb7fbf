"""The term that a method adds to a client's loss."""

from collections.abc import Callable

from torch import Tensor

from clients.adapted_model import AdaptedModel
from strategies.method import Method

Penalty = Callable[[], Tensor]
"""A term of the local loss that depends on what is trained alone; differentiable."""


def penalty_of(method: Method, adapted: AdaptedModel, rank: int) -> Penalty | None:
    """Return the method's penalty for a client of this rank that received what the model holds; None: it has none."""
    now = adapted.trained
    if method.penalty(rank, now, now) is None:
        return None
    received = now.map(lambda tensor: tensor.detach().clone())

    def penalty() -> Tensor:
        term = method.penalty(rank, received, now)
        assert term is not None
        return term

    return penalty
