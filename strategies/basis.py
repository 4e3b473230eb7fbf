"""The fixed semi-orthogonal matrices of FLoRG: L = M_L^T, R = M_R with M (k, d), M M^T = I_k, rebuilt from a seed."""

from abc import ABC, abstractmethod

from torch import Tensor


class Basis(ABC):
    """A fixed matrix M (k, d), applied from the right; layers of a group share it or have one each."""

    rows: int
    """k"""
    dim: int
    """d"""
    isometric: bool
    """Whether M M^T = I_k, so that norms and Gram matrices pass through unchanged."""

    @abstractmethod
    def apply(self, A: Tensor) -> Tensor:
        """A M: (..., r, k) -> (..., r, d), differentiable in A."""

    @abstractmethod
    def layer(self, index: int) -> "Basis":
        """The basis of one layer of the group (itself where the layers share it)."""

    @abstractmethod
    def dense(self) -> Tensor:
        """M itself, (k, d), or (l, k, d) where each layer has its own."""

    @abstractmethod
    def to(self, device, dtype) -> "Basis":
        """The same basis on another device and in another dtype."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A short hash that differs between bases and agrees between machines."""
