"""Starts from an adapter that another run made: the state before round 1 whose dW is that adapter's, or nearest to it.

The adapter comes as factors B' (o, m) and A' (m, i) of each layer that it holds, its scale within B'. A layer that it
does not hold begins as without it.
"""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from strategies.bases.basis import Basis, Fixed
from strategies.linalg import balanced_factors, svd_of_product
from strategies.parametrisation import HEADS, PARAMETRISATIONS, LayerFactors
from strategies.state import Group, Tensors

Place = Callable[[Tensors, Fixed, float, Float[Tensor, "l o m"], Float[Tensor, "l m i"]], Tensors]
"""(initial symbols, bases, scale s, B' (l, o, m), A' (l, m, i)) -> those symbols with s-scaled dW = B' A', or nearest;
all in float64."""


def start_from(
    adapter: str, group: Group, initial: Tensors, fixed: Fixed, scale: float, target: LayerFactors
) -> Tensors:
    """The `initial` symbols of a group as they begin from `target`, by layer name; float32 on the CPU.

    adapter: a key of PARAMETRISATIONS; initial: all symbols that the state holds before round 1. LoRA factors are taken
    over as they are, more rows of A stay as drawn beside zeros in B; a pushed part takes any product; a fixed A, a
    principal part of W0 in the start and FLoRG's Gram matrix have a nearest one. Raises ValueError where the rank is
    too small for factors that could be taken over, or the parametrisation has no place for them.
    """
    held = [layer in target for layer in group.layers]
    if not any(held):
        return initial
    if adapter not in PLACES:
        raise ValueError(
            "adapter.start-from: what the method begins with has no place for the factors of another adapter; set "
            'adapter.start-as = "merged", or choose another strategy.name'
        )
    up, down = _stacked(group, target)
    drawn = {symbol: tensor.double() for symbol, tensor in initial.items()}
    begun = PLACES[adapter](drawn, _double(fixed), scale, up, down)
    mask = torch.tensor(held)
    return {
        symbol: torch.where(mask.view(-1, *[1] * (tensor.dim() - 1)), tensor, _like(initial[symbol], tensor)).float()
        for symbol, tensor in begun.items()
    }


def start_distance(
    adapter: str, group: Group, symbols: Tensors, fixed: Fixed, scale: float, target: LayerFactors
) -> tuple[float, float]:
    """(||dW - B' A'||_F^2, ||B' A'||_F^2), summed over the layers of a group that `target` holds.

    symbols: all of the parametrisation, as round 1 begins.
    """
    error, size = 0.0, 0.0
    whole, bases = {symbol: tensor.double() for symbol, tensor in symbols.items()}, _double(fixed)
    constants = {symbol: value for symbol, value in bases.items() if isinstance(value, Tensor)}
    update = PARAMETRISATIONS[adapter].update(constants | whole, bases, scale)
    for dW, layer in zip(update, group.layers, strict=True):
        if layer in target:
            up, down = target[layer]
            wanted = up.double() @ down.double()
            error += (dW - wanted).square().sum().item()
            size += wanted.square().sum().item()
    return error, size


def _stacked(group: Group, target: LayerFactors) -> tuple[Float[Tensor, "l o m"], Float[Tensor, "l m i"]]:
    """B' (l, o, m) and A' (l, m, i) of a group, narrower ones and layers that are not there filled up with zeros."""
    width = max(down.shape[0] for _, down in target.values())
    up = torch.zeros(len(group.layers), group.out_features, width, dtype=torch.float64)
    down = torch.zeros(len(group.layers), width, group.in_features, dtype=torch.float64)
    for place, layer in enumerate(group.layers):
        if layer in target:
            B_up, A_down = target[layer]
            up[place, :, : B_up.shape[1]], down[place, : A_down.shape[0]] = B_up, A_down
    own = max(target[layer][1].shape[0] for layer in group.layers if layer in target)
    return up[..., :own], down[..., :own, :]


def _lora(
    initial: Tensors, fixed: Fixed, scale: float, up: Float[Tensor, "l o m"], down: Float[Tensor, "l m i"]
) -> Tensors:
    """A and B as they are. B alone with a fixed A: least squares. With a part of W0 subtracted: the best of rank r."""
    if "A" not in initial:
        A = fixed["A"]
        assert isinstance(A, Tensor)
        return {"B": torch.linalg.solve(A @ A.mT, up @ (down @ A.mT), left=False) / scale}
    rank = initial["A"].shape[-2]
    if "B0" in fixed:
        B0, A0 = fixed["B0"], fixed["A0"]
        assert isinstance(B0, Tensor)
        assert isinstance(A0, Tensor)
        U, S, Vh = svd_of_product(torch.cat([up, B0], -1), torch.cat([down, A0], -2))
        B, A = balanced_factors(U[..., :rank], S[..., :rank] / scale, Vh[..., :rank, :])
        return {"A": A, "B": B}
    if up.shape[-1] > rank:
        raise ValueError(
            f"adapter.start-from: its factors have rank {up.shape[-1]}, adapter.rank = {rank}; set adapter.rank = "
            f'{up.shape[-1]} or more, or adapter.start-as = "merged"'
        )
    return {"A": _first_rows(initial["A"], down), "B": _first_rows(initial["B"].mT, up.mT / scale, zeros=True).mT}


def _first_rows(
    drawn: Float[Tensor, "l r d"], rows: Float[Tensor, "l m d"], zeros: bool = False
) -> Float[Tensor, "l r d"]:
    """`drawn` (l, r, ...) with these rows (l, m, ...) first; rows of zeros do not count as such, and stay as drawn.

    zeros: all other rows are zero.
    """
    count = rows.shape[-2]
    rest = torch.zeros_like(drawn) if zeros else drawn
    first = rows if zeros else torch.where(rows.any(-1, keepdim=True), rows, drawn[..., :count, :])
    return torch.cat([first, rest[..., count:, :]], -2)


def _lora_dense(
    initial: Tensors, fixed: Fixed, scale: float, up: Float[Tensor, "l o m"], down: Float[Tensor, "l m i"]
) -> Tensors:
    """Factors that fit as they are, else all in the pushed part W."""
    if _fits(initial, up):
        return {**initial, **_lora(initial, fixed, scale, up, down)}
    return {**initial, "W": up @ down / scale}


def _lora_factored(
    initial: Tensors, fixed: Fixed, scale: float, up: Float[Tensor, "l o m"], down: Float[Tensor, "l m i"]
) -> Tensors:
    """Factors that fit as they are, else all in the pushed factors U and V."""
    if _fits(initial, up):
        return {**initial, **_lora(initial, fixed, scale, up, down)}
    return {**initial, "U": up / scale, "V": down}


def _fits(initial: Tensors, up: Float[Tensor, "l o m"]) -> bool:
    return "B" in initial and up.shape[-1] <= initial["B"].shape[-1]


def _core(
    initial: Tensors, fixed: Fixed, scale: float, up: Float[Tensor, "l o m"], down: Float[Tensor, "l m i"]
) -> Tensors:
    """R with s B R A nearest to B' A', in the spaces of B and A: by least squares on either side."""
    B, A = fixed["B"], fixed["A"]
    assert isinstance(B, Tensor)
    assert isinstance(A, Tensor)
    left = torch.linalg.solve(B.mT @ B, B.mT @ up)
    return {"R": torch.linalg.solve(A @ A.mT, left @ (down @ A.mT), left=False) / scale}


def _heads(
    initial: Tensors, fixed: Fixed, scale: float, up: Float[Tensor, "l o m"], down: Float[Tensor, "l m i"]
) -> Tensors:
    """H_j = B_j^T B' A' A_j^T / s, the nearest where the heads are orthogonal to each other."""
    B, A = fixed["B"], fixed["A"]
    assert isinstance(B, Tensor)
    assert isinstance(A, Tensor)
    count, rank = initial["H"].shape[-3:-1]
    eye = torch.eye(count * rank, dtype=B.dtype).expand(len(B), -1, -1)
    if not all(torch.allclose(gram, eye, rtol=0, atol=1e-4) for gram in (B.mT @ B, A @ A.mT)):
        raise ValueError(
            "adapter.start-from: the heads are not orthogonal to each other, for which no start is known to be the "
            'nearest; set adapter.start-as = "merged", or strategy.ravan.bases = "gram-schmidt" and fewer heads or a '
            "lower adapter.rank"
        )
    left = (B.mT @ up).unflatten(-2, (count, rank))
    right = (down @ A.mT).unflatten(-1, (count, rank)).movedim(-2, -3)
    return {"H": left @ right / scale}


def _full(
    initial: Tensors, fixed: Fixed, scale: float, up: Float[Tensor, "l o m"], down: Float[Tensor, "l m i"]
) -> Tensors:
    return {"D": up @ down / scale}


def _gram(
    initial: Tensors, fixed: Fixed, scale: float, up: Float[Tensor, "l o m"], down: Float[Tensor, "l m i"]
) -> Tensors:
    """A (l, r, k) with s L A^T A R (less the start's) nearest to B' A'.

    L^T B' A' R^T / s, plus A1^T A1 where the start is subtracted, has a symmetric part M; A^T A is the part of M with
    its r largest eigenvalues, none of them negative: the nearest of its rank, as L and R are semi-orthogonal. By an
    eigendecomposition in the span of what M is made of, at most 2 m + r wide. Rows beyond its rank are zero.
    """
    L, R, A = fixed["L"], fixed["R"], initial["A"]
    assert isinstance(L, Basis)
    assert isinstance(R, Basis)
    if not (L.isometric and R.isometric):
        raise ValueError(
            "adapter.start-from: strategy.florg.basis draws matrices that are not semi-orthogonal, for which no factor "
            'is known to be the nearest; set adapter.start-as = "merged", or another basis'
        )
    left, right = L.dense() @ up / scale, down @ R.dense().mT
    parts = [left, right.mT]
    if "A1" in fixed:
        assert isinstance(fixed["A1"], Tensor)
        parts.append(fixed["A1"].mT)
    Q, _ = torch.linalg.qr(torch.cat(parts, -1))
    X = (Q.mT @ left) @ (right @ Q)
    M = (X + X.mT) / 2
    if "A1" in fixed:
        turned = parts[2].mT @ Q
        M = M + turned.mT @ turned
    e, E = torch.linalg.eigh(M)
    rank = A.shape[-2]
    kept = e.flip(-1)[..., :rank].clamp(min=0).sqrt().unsqueeze(-1) * (Q @ E.flip(-1)[..., :rank]).mT
    return {"A": torch.cat([kept, A.new_zeros(*kept.shape[:-2], rank - kept.shape[-2], kept.shape[-1])], -2)}


def _double(fixed: Fixed) -> Fixed:
    return {symbol: value.to("cpu", torch.float64) for symbol, value in fixed.items()}


def _like(initial: Float[Tensor, "..."], begun: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """The symbol as without an adapter, in the size of the one with it: a width that grows is zero in other layers."""
    initial = initial.double()
    return initial if initial.shape == begun.shape else torch.zeros_like(begun)


PLACES: Mapping[str, Place] = {
    "lora": _lora,
    "lora+dense": _lora_dense,
    "lora+factored": _lora_factored,
    "core": _core,
    **{f"core+heads-{count}": _heads for count in HEADS},
    "full": _full,
    "gram": _gram,
}
"""By parametrisation."""
