"""The proximal term of a local loss."""

from collections.abc import Callable, Sequence

from torch import Tensor

Penalty = Callable[[], Tensor]
"""A term of the local loss that depends on the parameters alone."""


def proximal_term(parameters: Sequence[Tensor], mu: float) -> Penalty:
    """mu/2 ||w - w^t||^2, where w^t are the parameters as they are now (FedProx eq. 2); differentiable."""
    received = [parameter.detach().clone() for parameter in parameters]

    def penalty() -> Tensor:
        squares = [(now - then).square().sum() for now, then in zip(parameters, received, strict=True)]
        return mu / 2 * sum(squares[1:], squares[0])

    return penalty
