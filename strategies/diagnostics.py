"""How well a round's step kept what the clients learned: relative aggregation error, without ever forming a dW."""

from collections.abc import Sequence

import torch
from torch import Tensor

from strategies.basis import Basis, Identity
from strategies.linalg import squared_norm_of_product
from strategies.method import Fixed, Tensors
from strategies.parametrisation import Parametrisation


def aggregation_error(
    parametrisation: Parametrisation,
    fixed: Fixed,
    scale: float,
    uploads: Sequence[Tensors],
    w: Sequence[float],
    old: Tensors,
    new: Tensors,
) -> float:
    """||dW_new - sum_n w_n dW_n||_F / ||sum_n w_n dW_n||_F over all layers of a group; 0 where both are 0.

    Works on the stacked factors of all uploads, whose (n m) x (n m) Gram matrices carry the norms: O((n m)^2 (o + i))
    per layer and O(n m (o + i)) memory; where a part of dW is no product of factors, with dense matrices (o, i). What
    uploads lack they have from `old`. `fixed` as `for_norms` gives it.
    """
    num_layers = next(iter(new.values())).shape[0]
    device = next(iter(uploads[0].values())).device
    old, new = ({symbol: tensor.to(device) for symbol, tensor in state.items()} for state in (old, new))
    error = mean = 0.0
    for layer in range(num_layers):
        bases: Fixed = {s: v[layer] if isinstance(v, Tensor) else v.layer(layer) for s, v in fixed.items()}
        B_n, A_n = zip(
            *(parametrisation.factors(_of_tensors({**old, **upload}, layer), bases, scale) for upload in uploads),
            strict=True,
        )
        summed = torch.cat([w_n * B for w_n, B in zip(w, B_n, strict=True)], -1), torch.cat(A_n, -2)
        B_new, A_new = parametrisation.factors(_of_tensors(new, layer), bases, scale)
        difference = torch.cat([summed[0], -B_new], -1), torch.cat([summed[1], A_new], -2)
        P_n = [parametrisation.product_part(_of_tensors({**old, **upload}, layer), bases) for upload in uploads]
        P_new = parametrisation.product_part(_of_tensors(new, layer), bases)
        if parts := [w_n * P for w_n, P in zip(w, P_n, strict=True) if P is not None]:
            P_mean = scale * torch.stack(parts).sum(0)
            left = P_mean if P_new is None else P_mean - scale * P_new
            mean += float((summed[0] @ summed[1] + P_mean).square().sum())
            error += float((difference[0] @ difference[1] + left).square().sum())
        else:
            mean += squared_norm_of_product(*summed)
            error += squared_norm_of_product(*difference)
    return (max(error, 0.0) / mean) ** 0.5 if mean > 0 else 0.0


def for_norms(fixed: Fixed, device: torch.device) -> Fixed:
    """The FIXED values in float64 on the device, without the isometric bases, which norms do not see."""
    return {
        symbol: Identity(value.rows)
        if isinstance(value, Basis) and value.isometric
        else value.to(device, torch.float64)
        for symbol, value in fixed.items()
    }


def _of_tensors(tensors: Tensors, layer: int) -> Tensors:
    return {symbol: tensor[layer].double() for symbol, tensor in tensors.items()}
