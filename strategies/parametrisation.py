"""How an adapter's tensors make dW: pure functions shared by the server, the clients and the export.

Every low-rank parametrisation is a pair of factors, dW = B' A' with B' (o, m) and A' (m, i); the scale s = alpha / r
is part of B'. So one layer on the client, one diagnostic on the server and one PEFT export serve them all. What a
server adds to W0 in the course of a run comes beside them, dense or in factors of its own, as do updates that are full
or sparse: dW = B' A' + s P.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from math import prod

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from strategies.bases.basis import Basis, Fixed
from strategies.bases.turned import Turned
from strategies.state import Group, Shape, Tensors

Factors = tuple[Float[Tensor, "*b o m"], Float[Tensor, "*b m i"]]
"""B' (..., o, m) and A' (..., m, i) with dW = B' A'."""

LayerFactors = Mapping[str, tuple[Float[Tensor, "_ _"], Float[Tensor, "_ _"]]]
"""B' (o, m) and A' (m, i) of layers by name, which differ in all three sizes."""

Product = Callable[[Tensors, Fixed], tuple[Float[Tensor, "..."], ...]]
"""(symbols, bases) -> the matrices whose product is P (..., o, i), one or two; () where dW is B' A' alone."""


def _no_product(tensors: Tensors, fixed: Fixed) -> tuple[Float[Tensor, "..."], ...]:
    return ()


def _of_symbols(*symbols: str) -> Product:
    """P is the product of these symbols."""
    return lambda tensors, fixed: tuple(tensors[symbol] for symbol in symbols)


@dataclass(frozen=True)
class Parametrisation:
    """The shapes of an adapter's symbols and the factors of its dW."""

    shapes: Callable[[Group, int], Mapping[str, Shape]]
    """(group, rank) -> shape of each symbol for one layer, without the layer axis."""
    factors: Callable[[Tensors, Fixed, float], Factors]
    """(symbols, bases, scale s) -> (B', A'); differentiable in the symbols, batched over leading axes."""
    product: Product = _no_product
    """What a server adds to W0, or a full-rank or sparse update; differentiable, batched likewise."""

    def low_rank(self, tensors: Tensors, fixed: Fixed) -> bool:
        """Whether dW is a product of two factors, so that a LoRA adapter can hold it."""
        return len(self.product(tensors, fixed)) != 1

    def whole_factors(self, tensors: Tensors, fixed: Fixed, scale: float) -> Factors:
        """(B', A') with dW = B' A', the pushed factors included; where dW is low-rank only."""
        B_up, A_down = self.factors(tensors, fixed, scale)
        matrices = self.product(tensors, fixed)
        if not matrices:
            return B_up, A_down
        U, V = matrices
        return torch.cat([B_up, scale * U], -1), torch.cat([A_down, V], -2)

    def product_part(self, tensors: Tensors, fixed: Fixed) -> Float[Tensor, "*b o i"] | None:
        """P (..., o, i), dense; None where dW is B' A' alone."""
        matrices = self.product(tensors, fixed)
        return reduce(torch.matmul, matrices) if matrices else None

    def update(self, tensors: Tensors, fixed: Fixed, scale: float) -> Float[Tensor, "*b o i"]:
        """dW (..., o, i), dense."""
        B_up, A_down = self.factors(tensors, fixed, scale)
        P = self.product_part(tensors, fixed)
        return B_up @ A_down if P is None else B_up @ A_down + scale * P


def _lora_shapes(group: Group, rank: int) -> Mapping[str, Shape]:
    return {"A": (rank, group.in_features), "B": (group.out_features, rank)}


def _lora_dense_shapes(group: Group, rank: int) -> Mapping[str, Shape]:
    return {**_lora_shapes(group, rank), "W": (group.out_features, group.in_features)}


def _lora_factored_shapes(group: Group, rank: int) -> Mapping[str, Shape]:
    return {**_lora_shapes(group, rank), "U": (group.out_features, None), "V": (None, group.in_features)}


def _lora_sparse_shapes(group: Group, rank: int) -> Mapping[str, Shape]:
    return {**_lora_shapes(group, rank), "S": (None,), "M": (None,)}


def _sparse_product(tensors: Tensors, fixed: Fixed) -> tuple[Float[Tensor, "..."], ...]:
    """P with the values S (..., m) at the first m of the places M; () where S has none."""
    S, M = tensors["S"], _symbol("M", tensors, fixed)
    sides = tensors["B"].shape[-2], tensors["A"].shape[-1]
    return (scattered(S, M[..., : S.shape[-1]], sides),) if S.shape[-1] else ()


def scattered(S: Float[Tensor, "*b m"], M: Shaped[Tensor, "*b m"], sides: tuple[int, int]) -> Float[Tensor, "*b o i"]:
    """The matrix (..., o, i), sides = (o, i), with the values S (..., m) at its places M (..., m), else zero.

    A place is row x i + column. Differentiable in S.
    """
    return S.new_zeros(*S.shape[:-1], prod(sides)).scatter(-1, M.long(), S).unflatten(-1, sides)


def _lora_factors(tensors: Tensors, fixed: Fixed, scale: float) -> Factors:
    """dW = s B A  (LoRA); a factor that the method keeps FIXED may come with the bases.

    With fixed "B0" and "A0", s B A - B0 A0: training starts from a part of W0 itself, which leaves the frozen weight.
    """
    B_up, A_down = scale * _symbol("B", tensors, fixed), _symbol("A", tensors, fixed)
    if "B0" not in fixed:
        return B_up, A_down
    return torch.cat([B_up, -_symbol("B0", {}, fixed)], -1), torch.cat([A_down, _symbol("A0", {}, fixed)], -2)


def _symbol(symbol: str, tensors: Tensors, fixed: Fixed) -> Shaped[Tensor, "..."]:
    tensor = tensors[symbol] if symbol in tensors else fixed[symbol]
    assert isinstance(tensor, Tensor)
    return tensor


def _core_shapes(group: Group, rank: int) -> Mapping[str, Shape]:
    return {"R": (rank, rank), "B": (group.out_features, rank), "A": (rank, group.in_features)}


def _core_factors(tensors: Tensors, fixed: Fixed, scale: float) -> Factors:
    """dW = s B R A  (LoRA-XS): B R (o, r) and A (r, i), of which R alone is trained."""
    return scale * _symbol("B", tensors, fixed) @ tensors["R"], _symbol("A", tensors, fixed)


HEADS = (2, 4, 8, 16)
"""How many heads a core may have, each with a rank of its own."""


def _heads(count: int) -> Parametrisation:
    """dW = s sum_j s_j B_j H_j A_j over `count` heads  (RAVAN); B = [B_1 B_2 ...] and A = [A_1; A_2; ...]."""

    def shapes(group: Group, rank: int) -> Mapping[str, Shape]:
        width = count * rank
        core: Mapping[str, Shape] = {"H": (count, rank, rank), "s": (count,)}
        return {**core, "B": (group.out_features, width), "A": (width, group.in_features)}

    def factors(tensors: Tensors, fixed: Fixed, scale: float) -> Factors:
        H = tensors["H"]
        if "s" in tensors:  # between rounds it is 1
            H = tensors["s"][..., None, None] * H
        B = _symbol("B", tensors, fixed).unflatten(-1, (count, -1)).movedim(-2, -3)
        return scale * (B @ H).movedim(-3, -2).flatten(-2), _symbol("A", tensors, fixed)

    return Parametrisation(shapes, factors)


def _full_shapes(group: Group, rank: int) -> Mapping[str, Shape]:
    return {"D": (group.out_features, group.in_features)}


def _no_factors(tensors: Tensors, fixed: Fixed, scale: float) -> Factors:
    """Factors of width 0, where all of dW = s D is in the product."""
    D = tensors["D"]
    return D.new_zeros(*D.shape[:-1], 0), D.new_zeros(*D.shape[:-2], 0, D.shape[-1])


def _sketch_shapes(group: Group, rank: int) -> Mapping[str, Shape]:
    return {"Y": (group.out_features, rank), "X": (group.in_features, rank)}


def _no_update(tensors: Tensors, fixed: Fixed, scale: float) -> Factors:
    raise AssertionError("a sketch is no update")


def _gram_shapes(group: Group, rank: int) -> Mapping[str, Shape]:
    return {"A": (rank, group.k)}


def _gram_factors(tensors: Tensors, fixed: Fixed, scale: float) -> Factors:
    """dW = s L A^T A R  (FLoRG eq. 1); with a fixed "A1", s L (A^T A - A1^T A1) R, which is zero where A = A1.

    The difference as A^T D + D^T A1 with D = A - A1: two large products that nearly cancel would leave little but
    rounding errors in half precision.
    """
    L, R, A = fixed["L"], fixed["R"], tensors["A"]
    assert isinstance(L, Basis)
    assert isinstance(R, Basis)
    if "A1" not in fixed:
        return scale * L.apply(A).mT, R.apply(A)
    A1 = fixed["A1"]
    assert isinstance(A1, Tensor)
    D = A - A1
    return scale * torch.cat([L.apply(A).mT, L.apply(D).mT], -1), torch.cat([R.apply(D), R.apply(A1)], -2)


def _turned_gram_shapes(group: Group, rank: int) -> Mapping[str, Shape]:
    return {**_gram_shapes(group, rank), "U": (group.out_features, rank), "V": (group.in_features, rank)}


def _turned_gram_factors(tensors: Tensors, fixed: Fixed, scale: float) -> Factors:
    """As "gram", with an L whose first columns are U (o, r) and an R whose first rows are V^T, V (i, r)."""
    sides = {side: _turned(fixed[side], tensors[symbol]) for side, symbol in (("L", "U"), ("R", "V"))}
    return _gram_factors({"A": tensors["A"]}, {**fixed, **sides}, scale)


def _turned(basis: Basis | Float[Tensor, "..."], directions: Float[Tensor, "*l d r"]) -> Basis:
    """The basis turned to the directions; as it is where it stands for norms alone, which no turn changes."""
    assert isinstance(basis, Basis)
    return Turned(basis, directions) if basis.dim == directions.shape[-2] else basis


PARAMETRISATIONS: Mapping[str, Parametrisation] = {
    "lora": Parametrisation(_lora_shapes, _lora_factors),
    "lora+dense": Parametrisation(_lora_dense_shapes, _lora_factors, _of_symbols("W")),
    "lora+factored": Parametrisation(_lora_factored_shapes, _lora_factors, _of_symbols("U", "V")),
    "lora+sparse": Parametrisation(_lora_sparse_shapes, _lora_factors, _sparse_product),
    "core": Parametrisation(_core_shapes, _core_factors),
    **{f"core+heads-{count}": _heads(count) for count in HEADS},
    "gram": Parametrisation(_gram_shapes, _gram_factors),
    "gram+turned": Parametrisation(_turned_gram_shapes, _turned_gram_factors),
    "sketch": Parametrisation(_sketch_shapes, _no_update),
    "full": Parametrisation(_full_shapes, _no_factors, _of_symbols("D")),
}
