"""The fixed matrices of FLoRG: L = M_L^T and R = M_R with M (k, d), mostly M M^T = I_k, rebuilt from a seed."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

SAMPLE = 4096
"""Elements of a basis that enter its fingerprint."""


class Basis(ABC):
    """A fixed matrix M (k, d), k <= d, applied from the right; layers of a group share it or have one each."""

    rows: int
    """k"""
    dim: int
    """d"""
    isometric: bool
    """Whether M M^T = I_k, so that norms and Gram matrices pass through unchanged."""

    @abstractmethod
    def apply(self, A: Float[Tensor, "*b r k"]) -> Float[Tensor, "*b r d"]:
        """A M: (..., r, k) -> (..., r, d), differentiable in A."""

    @abstractmethod
    def layer(self, index: int) -> "Basis":
        """The basis of one layer of the group (itself where the layers share it)."""

    @abstractmethod
    def dense(self) -> Float[Tensor, "*l k d"]:
        """M itself, (k, d), or (l, k, d) where each layer has its own."""

    @abstractmethod
    def to(self, device: torch.device | str, dtype: torch.dtype) -> "Basis":
        """The same basis on another device and in another dtype; the fingerprint stays."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A short hash that differs between bases and agrees between machines."""


def spaced(values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, " s"]:
    """Up to SAMPLE evenly spaced elements, the first and the last among them."""
    flat = values.reshape(-1)
    return flat[np.linspace(0, flat.size - 1, min(flat.size, SAMPLE)).round().astype(np.int64)]


def digest(kind: str, shape: Sequence[int], integers: Shaped[np.ndarray, "..."]) -> str:
    """16 hexadecimal digits over a basis' kind, shape and a sample of its defining integers."""
    head = f"{kind}/{'x'.join(map(str, shape))}/"
    return hashlib.sha256(head.encode() + spaced(integers).astype("<i8").tobytes()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Identity(Basis):
    """M = I_k: the side that one basis leaves out."""

    rows: int
    dim: int = field(init=False)
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float32
    isometric = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", self.rows)

    def apply(self, A: Float[Tensor, "*b r k"]) -> Float[Tensor, "*b r d"]:
        return A

    def layer(self, index: int) -> Basis:
        return self

    def dense(self) -> Float[Tensor, "*l k d"]:
        return torch.eye(self.rows, device=self.device, dtype=self.dtype)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Basis:
        return replace(self, device=device, dtype=dtype)

    def fingerprint(self) -> str:
        return digest("identity", (self.rows, self.dim), np.zeros(1))


@dataclass(frozen=True, eq=False)
class Dense(Basis):
    """M stored whole: (k, d) shared by the layers, or (l, k, d)."""

    rows: int
    dim: int
    values: Float[Tensor, "*l k d"]
    isometric: bool
    hash: str

    @classmethod
    def of(cls, kind: str, values: Float[Tensor, "*l k d"], isometric: bool) -> "Dense":
        """The basis with its fingerprint: values rounded to 1e-4, as float64 results differ in their last bits.

        The fingerprint is taken once, so that a rounded copy on an accelerator still tells where it came from.
        """
        rows, dim = values.shape[-2:]
        integers = np.rint(spaced(values.cpu().numpy()).astype(np.float64) * 1e4)
        return cls(rows, dim, values, isometric, digest(kind, values.shape, integers))

    def apply(self, A: Float[Tensor, "*b r k"]) -> Float[Tensor, "*b r d"]:
        return A @ self.values

    def layer(self, index: int) -> Basis:
        return self if self.values.ndim == 2 else replace(self, values=self.values[index])

    def dense(self) -> Float[Tensor, "*l k d"]:
        return self.values

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Basis:
        return replace(self, values=self.values.to(device, dtype))

    def fingerprint(self) -> str:
        return self.hash


@dataclass(frozen=True, eq=False)
class SignedPermutation(Basis):
    """Row j of M is signs[j] e_columns[j]: O(k) memory, and A M places the columns of A without a matrix product."""

    rows: int
    dim: int
    columns: Int[Tensor, " k"]
    """(k,) int64, distinct, below dim"""
    signs: Float[Tensor, " k"]
    """(k,), +1 or -1, in the dtype of the inputs"""
    isometric = True

    @classmethod
    def draw(cls, rows: int, dim: int, rng: np.random.Generator) -> "SignedPermutation":
        """Uniform over all k x d matrices with one sign per row and at most one per column."""
        columns = rng.permutation(dim)[:rows]
        signs = rng.integers(0, 2, rows) * 2 - 1
        return cls(rows, dim, torch.from_numpy(columns), torch.from_numpy(signs).float())

    def apply(self, A: Float[Tensor, "*b r k"]) -> Float[Tensor, "*b r d"]:
        return A.new_zeros(*A.shape[:-1], self.dim).index_copy(-1, self.columns, A * self.signs)

    def layer(self, index: int) -> Basis:
        return self

    def dense(self) -> Float[Tensor, "*l k d"]:
        return self.apply(torch.eye(self.rows, device=self.signs.device, dtype=self.signs.dtype))

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Basis:
        return replace(self, columns=self.columns.to(device), signs=self.signs.to(device, dtype))

    def fingerprint(self) -> str:
        integers = ((self.columns + 1) * self.signs.long()).cpu().numpy()
        return digest("signed-permutation", (self.rows, self.dim), integers)


Fixed = dict[str, Basis | Tensor]
"""What both sides rebuild from the seed instead of sending it."""
