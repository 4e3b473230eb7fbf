"""What one client adds to a round's sum: tensors, and products of two factors that need not be formed."""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from strategies.state import Tensors


@dataclass(frozen=True)
class MatrixProduct:
    """X Y as its two factors, so that it can be added to a sum without being formed."""

    X: Float[Tensor, "*b p m"]
    Y: Float[Tensor, "*b m q"]


Summand = Mapping[str, Tensor | MatrixProduct]
"""What one client adds to the round's sum, by symbol."""


def dense_summand(summand: Summand) -> Tensors:
    """Return the summand with its products multiplied out."""
    return {s: part if isinstance(part, Tensor) else part.X @ part.Y for s, part in summand.items()}
