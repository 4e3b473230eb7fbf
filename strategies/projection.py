"""The low-rank space in which a method has its clients take their steps."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Projection:
    """The low-rank space in which a client's optimizer works on its adapters (GaLore)."""

    rank: int
    gap: int
    """Steps between two choices of the space."""
    scale: float
    """Factor of each step."""
    side: Literal["std", "left", "right"] = "std"
    eps: float = 1e-6
    """AdamW's, of the projected gradients."""
    eps_place: Literal["before", "after"] = "before"
    """Whether it is added to the root of the second moment before its bias is corrected, or after."""
