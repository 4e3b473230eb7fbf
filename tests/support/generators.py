"""Hypothesis strategies: seeds, sizes and chosen spectra. Arrays are made from them, so that failures shrink well.

Random Gaussian matrices never meet the hard cases, so spectra are chosen: repeated, zero and tiny singular values.
Sizes are never square, because square shapes hide a transpose.
"""

from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

seeds = st.integers(0, 2**32 - 1)


@dataclass(frozen=True)
class Sizes:
    """n clients, l layers of (o, i), rank r < k = min(o, i)."""

    n: int
    l: int  # noqa: E741 - the legend's letter
    o: int
    i: int
    r: int

    @property
    def k(self) -> int:
        return min(self.o, self.i)


@st.composite
def sizes(draw: st.DrawFn) -> Sizes:
    """Small sizes with 1 <= r < k and o != i."""
    k = draw(st.integers(2, 9))
    longer = k + draw(st.integers(1, 4))
    o, i = (k, longer) if draw(st.booleans()) else (longer, k)
    return Sizes(draw(st.integers(1, 5)), draw(st.integers(1, 3)), o, i, draw(st.integers(1, k - 1)))


def spectra(length: int, smallest: tuple[float, ...] = (0.0, 1e-6)) -> st.SearchStrategy[tuple[float, ...]]:
    """`length` singular values, largest first and at least one of them 1, with repetitions and the `smallest` ones."""
    values = st.lists(st.sampled_from((1.0, 1.0, 0.5, 0.5, 0.1, *smallest)), min_size=length - 1, max_size=length - 1)
    return values.map(lambda rest: tuple(sorted([1.0, *rest], reverse=True)))


def orthogonal(rng: np.random.Generator, size: int) -> Tensor:
    """A random orthogonal (size, size) matrix, float64."""
    return torch.from_numpy(np.linalg.qr(rng.standard_normal((size, size)))[0])


def matrix(rng: np.random.Generator, rows: int, columns: int, spectrum: tuple[float, ...]) -> Tensor:
    """A (rows, columns) float64 matrix, rows <= columns, with these singular values and random singular vectors."""
    assert len(spectrum) == rows <= columns
    U, V = orthogonal(rng, rows), orthogonal(rng, columns)
    return U @ torch.diag(torch.tensor(spectrum, dtype=torch.float64)) @ V[:, :rows].mT


def gaussian(rng: np.random.Generator, *shape: int) -> Tensor:
    """Standard normal, float64."""
    return torch.from_numpy(rng.standard_normal(shape))


def weights(rng: np.random.Generator, n: int) -> list[float]:
    """n unequal positive raw weights, as numbers of examples are."""
    return [float(value) for value in rng.integers(1, 50, n)]
