"""The pair (L, R) of a shape group, drawn from the seed: which kind of matrix, and two of them or one."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from strategies.bases.basis import Basis, Dense, Identity, SignedPermutation
from strategies.bases.hadamard import Hadamard
from strategies.linalg import svd
from strategies.rng import generator
from strategies.state import FrozenWeights, Group

BasisKind = Literal["haar", "svd", "kaiming", "kaiming-relu", "signed-permutation", "hadamard", "gradient"]
NumBases = Literal["two", "one"]
Pair = tuple[Basis, Basis]


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside: the order of the sums, and so the bits, do not depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def haar(k: int, d: int, fan_in: int, rng: np.random.Generator) -> Basis:
    """Uniform over the k x d matrices with orthonormal rows: Q^T of the QR of a Gaussian (d, k), diag(R) > 0.

    Without the signs the result of QR is not Haar distributed (Mezzadri, Notices AMS 54, 2007).
    """
    gaussian = torch.from_numpy(rng.standard_normal((d, k)))
    with one_thread():
        Q, R = torch.linalg.qr(gaussian)
    return Dense.of("haar", (Q * R.diagonal().sign()).mT.float().contiguous(), isometric=True)


def kaiming(k: int, d: int, fan_in: int, rng: np.random.Generator) -> Basis:
    """Elements ~ U(-1/sqrt(fan_in), 1/sqrt(fan_in)), the kaiming_uniform(a=sqrt 5) of nn.Linear; not isometric.

    fan_in is the number of columns of the matrix as it multiplies in dW = L Q R: k for L (o, k), i for R (k, i).
    """
    bound = 1 / math.sqrt(fan_in)
    return Dense.of("kaiming", torch.from_numpy(rng.uniform(-bound, bound, (k, d))).float(), isometric=False)


def kaiming_relu(k: int, d: int, fan_in: int, rng: np.random.Generator) -> Basis:
    """Elements ~ N(0, 2/fan_in), six times the variance of `kaiming`: He et al. (ICCV 2015, arXiv 1502.01852, eq. 10),
    whom the FLoRG paper cites for its Kaiming bases. Made for layers before a ReLU; fan_in as in `kaiming`.
    """
    values = rng.normal(0, math.sqrt(2 / fan_in), (k, d))
    return Dense.of("kaiming-relu", torch.from_numpy(values).float(), isometric=False)


def signed_permutation(k: int, d: int, fan_in: int, rng: np.random.Generator) -> Basis:
    return SignedPermutation.draw(k, d, rng)


def hadamard(k: int, d: int, fan_in: int, rng: np.random.Generator) -> Basis:
    return Hadamard.draw(k, d, rng)


DRAWS: dict[str, Callable[[int, int, int, np.random.Generator], Basis]] = {
    "haar": haar,
    "kaiming": kaiming,
    "kaiming-relu": kaiming_relu,
    "signed-permutation": signed_permutation,
    "hadamard": hadamard,
}
"""Kinds that need no weights: (k, d, fan_in, generator) -> a basis shared by the layers of the group."""


def _svd_pair(W0: Float[Tensor, "l o i"]) -> Pair:
    """L = U, R = V^T of the thin SVD W0 = U S V^T (l, o, i): a basis for each layer, fixed up to joint signs."""
    with one_thread():
        U, _, Vh = svd(W0.cpu().double())
    return Dense.of("svd", U.mT.float().contiguous(), True), Dense.of("svd", Vh.float().contiguous(), True)


def _svd_one(W0: Float[Tensor, "l o i"]) -> Basis:
    """O = U V^T of W0, the product of the two bases; as M (l, k, d), so transposed where o > i."""
    with one_thread():
        U, _, Vh = svd(W0.cpu().double())
    product = U @ Vh
    M = product if product.shape[-2] <= product.shape[-1] else product.mT
    return Dense.of("svd", M.float().contiguous(), True)


def _one(group: Group, basis: Basis) -> Pair:
    """L = I and R = O where o <= i, else L = O and R = I: dW = L A^T A R reaches the same matrices as with two."""
    identity = Identity(group.k)
    return (identity, basis) if group.out_features <= group.in_features else (basis, identity)


def basis_pair(kind: str, bases: NumBases, group: Group, seed: int, weights: FrozenWeights) -> Pair:
    """(L, R) with L (o, k) given as M_L = L^T (k, o) and R (k, i) as itself; float32 on the CPU.

    `weights` is called for kind "svd" only. Raises ValueError for an unknown kind.
    """
    if kind == "svd":
        W0 = weights(group)
        return _svd_pair(W0) if bases == "two" else _one(group, _svd_one(W0))
    if kind == "gradient":  # what the directions of the gradient are completed by
        kind = "haar"
    if kind not in DRAWS:
        allowed = " | ".join(get_args(BasisKind))
        raise ValueError(f"strategy.florg.basis = {kind!r} is unknown; choose one of {allowed}")

    def draw(side: str) -> Basis:
        d, fan_in = (group.out_features, group.k) if side == "L" else (group.in_features, group.in_features)
        return DRAWS[kind](group.k, d, fan_in, generator(seed, "basis", kind, side, group.name))

    if bases == "two":
        return draw("L"), draw("R")
    return _one(group, draw("R" if group.out_features <= group.in_features else "L"))
