"""The mean update of a shape group, sum_n w_n dW_n, gathered upload by upload for the diagnostics."""

from collections.abc import Iterator, Sequence
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

from strategies.bases.basis import Fixed
from strategies.parametrisation import Parametrisation
from strategies.server.heaviest import HeaviestUploads
from strategies.state import Tensors

_Parts = tuple[Float[Tensor, "o m"], Float[Tensor, "m i"], Float[Tensor, "o i"] | None]
"""B' (o, m), A' (m, i) and what is beside their product, s P (o, i), of one layer."""


class MeanUpdate:
    """The mean dW of a round's uploads, for its norm and for its distance from the dW of a new state.

    Uploads are held as they came while they have fewer bytes than the mean itself, (l, o, i) in float64. Then they are
    added up to it, and however many follow, memory does not grow: at most one mean and one upload.
    """

    def __init__(
        self, parametrisation: Parametrisation, fixed: Fixed, scale: float, start: Tensors, most_lowered: int = 0
    ) -> None:
        """Begin without uploads.

        Args:
            parametrisation: of the adapters.
            fixed: the group's FIXED values as `strategies.server.diagnostics.for_norms` gives them.
            scale: s of dW.
            start: the group as the round began, each symbol (l, ...); uploads have from it what they lack.
            most_lowered: how many of the heaviest weights may still be lowered, as in `RunningSum`.
        """
        self._kind, self._fixed, self._scale, self._start = parametrisation, fixed, scale, start
        self._heaviest = HeaviestUploads(most_lowered)
        self._held: list[Tensors] = []
        """All uploads, until they are added up."""
        self._held_bytes = 0
        self._total: Float[Tensor, "l o i"] | None = None
        """The sum of the raw weights times dW, once there is one."""

    def add(self, upload: Tensors, weight: float) -> None:
        """Take one upload, as it came, with its raw weight >= 0."""
        self._heaviest.add(upload, weight)
        if self._total is not None:
            self._fold(self._total, upload, weight)
            return
        self._held.append(upload)
        self._held_bytes += sum(tensor.nbytes for tensor in upload.values())
        if self._held_bytes > self._dense_bytes():
            self._add_up()

    def error_of(self, new: Tensors, weights: Sequence[float]) -> float:
        """||dW_new - sum_n w_n dW_n||_F / ||sum_n w_n dW_n||_F over all layers of the group; 0 where both are 0.

        Where all factors side by side have fewer numbers than dW, by their (n m) x (n m) Gram matrices, which carry the
        norms: O((n m)^2 (o + i)) per layer. Else by the dense mean: O(n m o i).

        Args:
            new: the symbols of the new state, each (l, ...).
            weights: of the uploads, in their order; the heaviest may have been lowered since. Not all are 0.
        """
        if self._total is not None:
            for upload, change in self._heaviest.lowered(weights):
                self._fold(self._total, upload, change)
        w = [weight / sum(weights) for weight in weights]
        error = mean = 0.0
        for layer in range(self._num_layers):
            B_new, A_new, P_new = self._parts(new, layer)
            sizes = B_new.shape[-2], A_new.shape[-1]
            few = (len(weights) + 1) * B_new.shape[-1] * sum(sizes) <= prod(sizes)
            if self._total is None and P_new is None and few:
                B_n, A_n, _ = zip(*(self._parts(upload, layer) for upload in self._held), strict=True)
                B = torch.cat([*(w_n * B for w_n, B in zip(w, B_n, strict=True)), -B_new], -1)
                A = torch.cat([*A_n, A_new], -2)
                inner = (B.mT @ B) * (A @ A.mT)
                uploaded = B.shape[-1] - B_new.shape[-1]
                mean += float(inner[:uploaded, :uploaded].sum())
                error += float(inner.sum())
                continue
            dense = self._total[layer] / sum(weights) if self._total is not None else self._mean(layer, w, sizes)
            mean += float(dense.square().sum())
            dense.addmm_(B_new, A_new, alpha=-1)
            error += float((dense if P_new is None else dense - P_new).square().sum())
        return (max(error, 0.0) / mean) ** 0.5 if mean > 0 else 0.0

    @property
    def _num_layers(self) -> int:
        return next(iter(self._start.values())).shape[0]

    def _dense_bytes(self) -> int:
        B, A, _ = self._parts(self._held[0], 0)
        return self._num_layers * B.shape[-2] * A.shape[-1] * B.element_size()

    def _add_up(self) -> None:
        """Replace the uploads that are held by their weighted sum."""
        B, A, _ = self._parts(self._held[0], 0)
        self._total = B.new_zeros(self._num_layers, B.shape[-2], A.shape[-1])
        for upload, weight in zip(self._held, self._heaviest.weights, strict=True):
            self._fold(self._total, upload, weight)
        self._held = []

    def _fold(self, total: Float[Tensor, "l o i"], upload: Tensors, weight: float) -> None:
        for layer, parts in enumerate(self._layers(upload)):
            _add_parts(total[layer], parts, weight)

    def _mean(self, layer: int, w: Sequence[float], sizes: tuple[int, int]) -> Float[Tensor, "o i"]:
        """The dense mean of one layer, to which one upload after another is added."""
        first = next(iter(self._held[0].values()))
        total = torch.zeros(sizes, dtype=torch.float64, device=first.device)
        for w_n, upload in zip(w, self._held, strict=True):
            _add_parts(total, self._parts(upload, layer), w_n)
        return total

    def _layers(self, tensors: Tensors) -> Iterator[_Parts]:
        return (self._parts(tensors, layer) for layer in range(self._num_layers))

    def _parts(self, tensors: Tensors, layer: int) -> _Parts:
        """What makes the dW of one layer, in float64; what the tensors lack is as the round began."""
        device = next(iter(tensors.values())).device
        whole = {s: tensor[layer].to(device, torch.float64) for s, tensor in {**self._start, **tensors}.items()}
        bases: Fixed = {s: v[layer] if isinstance(v, Tensor) else v.layer(layer) for s, v in self._fixed.items()}
        P = self._kind.product_part(whole, bases)
        return *self._kind.factors(whole, bases, self._scale), None if P is None else self._scale * P


def _add_parts(total: Float[Tensor, "o i"], parts: _Parts, weight: float) -> None:
    B, A, P = parts
    total.addmm_(B, A, alpha=weight)
    if P is not None:
        total.add_(P, alpha=weight)
