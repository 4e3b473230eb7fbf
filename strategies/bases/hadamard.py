"""A randomised Hadamard basis for every dimension: O(d) memory and O(d log d) work for an orthogonal d x d matrix."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from strategies.bases.basis import Basis, digest

RADIX = 32
PASSES = 2


def power_of_two_blocks(dim: int) -> tuple[int, ...]:
    """The powers of two that sum to dim, largest first: 3072 -> (2048, 1024)."""
    return tuple(1 << bit for bit in reversed(range(dim.bit_length())) if dim >> bit & 1)


def sylvester(size: int) -> Float[Tensor, "m m"]:
    """The Hadamard matrix (size, size) of +1 and -1 in Sylvester's order, size a power of two.

    Element (p, q) is (-1) to the number of common one bits of p and q, so that every leading power-of-two block is the
    Hadamard matrix of that size.
    """
    H = torch.ones(1, 1)
    while len(H) < size:
        H = torch.cat([torch.cat([H, H], 1), torch.cat([H, -H], 1)], 0)
    return H


def walsh_hadamard(x: Float[Tensor, "*b m"], core: Float[Tensor, "c c"]) -> Float[Tensor, "*b m"]:
    """x H / sqrt(m) over the last axis, m = x.shape[-1] a power of two: orthogonal and its own inverse.

    H_m is a Kronecker product of blocks of `core` = sylvester(RADIX): each pass multiplies one axis of the folded x by
    its block and turns the axes by one, so that after all passes they stand in their old order.
    """
    m = remaining = x.shape[-1]
    while remaining > 1:
        f = min(remaining, len(core))
        x = (x.unflatten(-1, (m // f, f)) @ core[:f, :f]).mT.flatten(-2)
        remaining //= f
    return x / m**0.5


@dataclass(frozen=True, eq=False)
class Hadamard(Basis):
    """M = the first k rows of (D_1 P_1 H)(D_2 P_2 H): signs D, permutations P, and H a Walsh-Hadamard transform of each
    power-of-two block of the d coordinates.

    The second pass mixes the blocks of the first; k < d embeds A in d coordinates, zero beyond k.
    """

    rows: int
    dim: int
    signs: Int[Tensor, "p d"]
    """(PASSES, d) int8, +1 or -1"""
    permutations: Int[Tensor, "p d"]
    """(PASSES, d) int64"""
    core: Float[Tensor, "c c"]
    """sylvester(RADIX) in the dtype of the inputs"""
    isometric = True

    @classmethod
    def draw(cls, rows: int, dim: int, rng: np.random.Generator) -> "Hadamard":
        """Independent uniform signs and permutations for each pass."""
        signs = rng.integers(0, 2, (PASSES, dim)) * 2 - 1
        permutations = np.stack([rng.permutation(dim) for _ in range(PASSES)])
        return cls(rows, dim, torch.from_numpy(signs).to(torch.int8), torch.from_numpy(permutations), sylvester(RADIX))

    def apply(self, A: Float[Tensor, "*b r k"]) -> Float[Tensor, "*b r d"]:
        x = torch.nn.functional.pad(A, (0, self.dim - self.rows))
        blocks = power_of_two_blocks(self.dim)
        for signs, permutation in zip(self.signs, self.permutations, strict=True):
            x = (x * signs)[..., permutation]
            x = torch.cat([walsh_hadamard(block, self.core) for block in x.split(blocks, -1)], -1)
        return x

    def layer(self, index: int) -> Basis:
        return self

    def dense(self) -> Float[Tensor, "k d"]:
        return self.apply(torch.eye(self.rows, dtype=self.core.dtype, device=self.core.device))

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Basis:
        signs, permutations = self.signs.to(device), self.permutations.to(device)
        return replace(self, signs=signs, permutations=permutations, core=self.core.to(device, dtype))

    def fingerprint(self) -> str:
        integers = ((self.permutations + 1) * self.signs).cpu().numpy()
        return digest("hadamard", (self.rows, self.dim), integers)
