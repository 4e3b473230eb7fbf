"""The numbers about a round's step for its record: how well it kept what clients learned, without forming a dW."""

from collections.abc import Mapping, Sequence
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

from strategies.bases.basis import Basis, Fixed, Identity
from strategies.linalg import squared_norm_of_product
from strategies.manifest import Manifest, state_at_start
from strategies.parametrisation import PARAMETRISATIONS, Parametrisation
from strategies.server.combination import Combination
from strategies.state import State, Tensors


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

    Where all factors side by side have fewer numbers than dW, by their (n m) x (n m) Gram matrices, which carry the
    norms: O((n m)^2 (o + i)) per layer. Where they have more, or a part of dW is no product of factors, by the dense
    mean (o, i), to which one upload after another is added: O(n m o i) and no memory that grows with n. What uploads
    lack they have from `old`. `fixed` as `for_norms` gives it.
    """
    num_layers = next(iter(new.values())).shape[0]
    device = next(iter(uploads[0].values())).device
    old, new = ({symbol: tensor.to(device) for symbol, tensor in state.items()} for state in (old, new))
    error = mean = 0.0
    for layer in range(num_layers):
        bases: Fixed = {s: v[layer] if isinstance(v, Tensor) else v.layer(layer) for s, v in fixed.items()}
        made = (_parts(parametrisation, _of_tensors({**old, **upload}, layer), bases, scale) for upload in uploads)
        B_new, A_new, P_new = _parts(parametrisation, _of_tensors(new, layer), bases, scale)
        sizes = B_new.shape[-2], A_new.shape[-1]
        if P_new is None and (len(uploads) + 1) * B_new.shape[-1] * sum(sizes) <= prod(sizes):
            B_n, A_n, _ = zip(*made, strict=True)
            summed = torch.cat([w_n * B for w_n, B in zip(w, B_n, strict=True)], -1), torch.cat(A_n, -2)
            mean += squared_norm_of_product(*summed)
            error += squared_norm_of_product(torch.cat([summed[0], -B_new], -1), torch.cat([summed[1], A_new], -2))
        else:
            total = B_new.new_zeros(sizes)
            for w_n, (B, A, P) in zip(w, made, strict=True):
                total.addmm_(B, A, alpha=w_n)
                if P is not None:
                    total.add_(P, alpha=w_n)
            mean += float(total.square().sum())
            total.addmm_(B_new, A_new, alpha=-1)
            error += float((total if P_new is None else total - P_new).square().sum())
    return (max(error, 0.0) / mean) ** 0.5 if mean > 0 else 0.0


def _parts(
    parametrisation: Parametrisation, tensors: Tensors, bases: Fixed, scale: float
) -> tuple[Float[Tensor, "o m"], Float[Tensor, "m i"], Float[Tensor, "o i"] | None]:
    """B' (o, m), A' (m, i) and what is beside their product, s P (o, i), of one layer."""
    P = parametrisation.product_part(tensors, bases)
    return *parametrisation.factors(tensors, bases, scale), None if P is None else scale * P


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


def diagnose(
    manifest: Manifest, bases: Mapping[str, Fixed], combination: Combination, new: State
) -> dict[str, dict[str, float]]:
    """By group: the aggregation error of a finished combination, and the method's own numbers.

    The error is that of uploaded tensors, and is left out where the combination kept none: they were summands.

    bases: as `diagnostics.for_norms` gives them; new: the state that the combination made.
    """
    method, old = combination.method, combination.start
    w = [weight / sum(combination.weights) for weight in combination.weights]
    next_begins = state_at_start(method, manifest, new, combination.t + 1)
    parametrisation = PARAMETRISATIONS[manifest.plan.adapter]
    result: dict[str, dict[str, float]] = {}
    for name in (group.name for group in manifest.groups):
        result[name] = method.diagnose(old[name], new[name])
        if uploads := [upload[name] for upload in combination.uploads]:
            error = aggregation_error(
                parametrisation, bases[name], manifest.scale, uploads, w, old[name], next_begins[name]
            )
            result[name] = {"aggregation-error": error, **result[name]}
    return result
