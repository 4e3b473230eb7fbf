"""A basis that is turned so that its first rows are given directions, in O(d r) memory beside it."""

from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from strategies.bases.basis import Basis

_SAME = 1e-6
"""Two unit vectors that are nearer than this need no reflection."""


def reflectors(X: Float[Tensor, "*shared d r"], U: Float[Tensor, "*l d r"]) -> Float[Tensor, "*l r d"]:
    """Unit vectors v_1 ... v_r (..., r, d), or zeros, whose reflections, the first one first, map X's columns to U's.

    X and U have orthonormal columns. Reflection j maps what the earlier ones made of x_j to u_j along their difference,
    to which u_1 ... u_(j-1) are orthogonal, so that they stay.
    """
    X = X.expand(U.shape)
    found: list[Tensor] = []
    for j in range(U.shape[-1]):
        x = reflected(X[..., j].unsqueeze(-2), found).squeeze(-2)
        v = x - U[..., j]
        norm = v.norm(dim=-1, keepdim=True)
        found.append(torch.where(norm > _SAME, v / norm.clamp(min=_SAME), 0))
    return torch.stack(found, -2)


def reflected(Y: Float[Tensor, "*s m d"], vectors: list[Float[Tensor, "*l d"]]) -> Float[Tensor, "*t m d"]:
    """The rows of Y (..., m, d) after reflections by these vectors (..., d), the first one first."""
    for v in vectors:
        Y = Y - 2 * (Y @ v.unsqueeze(-1)) * v.unsqueeze(-2)
    return Y


@dataclass(frozen=True, eq=False)
class Turned(Basis):
    """M T^T (k, d), T (d, d) orthogonal, the product of r reflections that map the first r rows of M to U^T.

    Each layer has a T of its own. `base` is isometric and shared by the layers.
    """

    base: Basis
    directions: Float[Tensor, "*l d r"]
    """U, orthonormal columns"""

    @property
    def rows(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]  # of the base
        return self.base.rows

    @property
    def dim(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.base.dim

    @property
    def isometric(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.base.isometric

    def apply(self, A: Float[Tensor, "*b r k"]) -> Float[Tensor, "*b r d"]:
        U = self.directions
        with torch.no_grad():
            first = self.base.apply(torch.eye(U.shape[-1], self.base.rows, device=U.device, dtype=U.dtype)).mT
            vectors = list(reflectors(first, U).unbind(-2))
        return reflected(self.base.apply(A), vectors)

    def layer(self, index: int) -> Basis:
        return Turned(self.base.layer(index), self.directions[index])

    def dense(self) -> Float[Tensor, "*l k d"]:
        U = self.directions
        return self.apply(torch.eye(self.rows, device=U.device, dtype=U.dtype).expand(*U.shape[:-2], -1, -1))

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Basis:
        return Turned(self.base.to(device, dtype), self.directions.to(device, dtype))

    def fingerprint(self) -> str:
        """That of the base, which both sides rebuild; the directions travel."""
        return cast(str, self.base.fingerprint())
