"""What is kept of the uploads of one shape group until the round is over: their sum, all of them, or all summands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from strategies.linalg import fold_product
from strategies.method import Method
from strategies.protection.privacy import Release
from strategies.protection.robust import Reduction
from strategies.server.heaviest import HeaviestUploads
from strategies.server.server_optimizer import ServerOptimizer
from strategies.state import AnyTensor, Shape, Tensors
from strategies.summand import MatrixProduct, Summand, dense_summand

BLOCK_NUMBERS = 2**20
"""Numbers of all clients that a robust reduction works on at a time."""


@runtime_checkable
class GroupSum(Protocol):
    """The uploads of one group on their way to its new tensors."""

    def add(self, upload: Tensors, weight: float) -> None:
        """Take one client's upload, on the device of the state, with its raw weight >= 0."""
        ...

    def finish(self, weights: Sequence[float]) -> Tensors:
        """Return the group's new tensors, float64; called once.

        `weights` are those of the uploads in the order in which they were added, one above 0 at least; the largest may
        have been lowered since.
        """
        ...


@dataclass(frozen=True)
class Summing:
    """A rule of the form sum and finish for one group of one round."""

    method: Method | None
    """None: the plain mean, as of the head."""
    t: int
    start: Tensors
    """The group as the round began, float64."""
    contributed: bool
    """Whether uploads are summands already."""
    release: Release | None
    sizes: Mapping[str, Shape] = field(default_factory=dict)
    """Of what of each symbol travels in this round, for the release; what is beyond is padding."""
    noise_variance: float = 0.0
    """Of the noise that clients added to every number of what they trained; 0: none."""
    optimizer: ServerOptimizer | None = None
    """What steps towards the mean; None: the mean is taken as it is."""

    @property
    def is_identity(self) -> bool:
        """Whether uploads are their own summands."""
        return self.method is None or self.contributed or self.method.traits.mean_of_uploads

    def summand(self, upload: Tensors) -> Summand:
        """Return the summand of one client's float64 upload."""
        if self.method is None or self.contributed:
            return upload
        return self.method.contribute(self.t, self.start, upload)

    def new_tensors(self, mean: Tensors, count: int) -> Tensors:
        """Return the new tensors from the mean of `count` summands."""
        if self.release is not None:
            mean = self.release(self.start, mean, count, self.sizes)
        if self.method is not None and self.noise_variance:
            mean = self.method.without_noise(self.start, mean, self.noise_variance)
        mean, moments = (mean, {}) if self.optimizer is None else self.optimizer.step(self.start, mean)
        new = mean if self.method is None else self.method.finish(self.t, self.start, mean)
        return {**new, **moments}


class RunningSum:
    """The weighted mean of the summands; memory independent of the number of uploads.

    Raw weights are summed and divided out at the end. The uploads whose weights may be lowered until then, the
    `most_lowered` heaviest, are held.
    """

    def __init__(self, summing: Summing, most_lowered: int = 0) -> None:
        self._summing, self._heaviest = summing, HeaviestUploads(most_lowered)
        # One buffer for all uploads: fresh pages for each cost more than the arithmetic on them.
        self._wide: Tensors = {}
        self._total: Tensors = {}

    def add(self, upload: Tensors, weight: float) -> None:
        self._heaviest.add(upload, weight)
        self._fold(upload, weight)

    def _fold(self, upload: Tensors, weight: float) -> None:
        """Add the weighted summand to the total."""
        summand = self._summing.summand(self._widened(upload))
        if not self._total:
            self._total = {symbol: weight * tensor for symbol, tensor in dense_summand(summand).items()}
            return
        for symbol, part in summand.items():
            if isinstance(part, MatrixProduct):
                fold_product(self._total[symbol], part.X, part.Y, weight)
            else:
                self._total[symbol].add_(part, alpha=weight)

    def finish(self, weights: Sequence[float]) -> Tensors:
        for upload, change in self._heaviest.lowered(weights):
            self._fold(upload, change)
        weight = sum(weights)
        mean = {symbol: tensor.div_(weight) for symbol, tensor in self._total.items()}
        return self._summing.new_tensors(mean, len(weights))

    def _widened(self, upload: Tensors) -> Tensors:
        """Copy the upload into the float64 buffer, which the next upload overwrites."""
        for symbol, tensor in upload.items():
            if symbol not in self._wide:
                self._wide[symbol] = torch.empty_like(tensor, dtype=torch.float64)
            self._wide[symbol].copy_(tensor)
        return {symbol: self._wide[symbol] for symbol in upload}


class RobustSum:
    """A reduction of the summands of all clients of a weight above 0, which count alike; holds them all.

    Uploads that are their own summands are held as they came. The reduction works on blocks of coordinates, so that
    what it needs beside the summands does not grow with them.
    """

    def __init__(self, summing: Summing, reduce: Reduction) -> None:
        self._summing, self._reduce = summing, reduce
        self._summands: list[Tensors] = []

    def add(self, upload: Tensors, weight: float) -> None:
        if weight == 0:
            return
        if self._summing.is_identity:
            self._summands.append(upload)
        else:
            wide = {symbol: tensor.double() for symbol, tensor in upload.items()}
            self._summands.append(dense_summand(self._summing.summand(wide)))

    def finish(self, weights: Sequence[float]) -> Tensors:
        mean = {symbol: self._reduced([one[symbol] for one in self._summands]) for symbol in self._summands[0]}
        return self._summing.new_tensors(mean, len(weights))

    def _reduced(self, summands: Sequence[AnyTensor]) -> Float[Tensor, "..."]:
        """Reduce tensors of one shape, coordinate by coordinate, in float64."""
        flat = [tensor.reshape(-1) for tensor in summands]
        result = torch.empty(flat[0].shape, dtype=torch.float64, device=flat[0].device)
        size = max(1, BLOCK_NUMBERS // len(flat))
        for start in range(0, len(result), size):
            block = torch.stack([tensor[start : start + size] for tensor in flat]).double()
            result[start : start + size] = self._reduce(block)
        return result.reshape(summands[0].shape)


class StackedUploads:
    """All uploads side by side, for a rule that needs them so; held in the dtype in which they came."""

    def __init__(self, method: Method, t: int, start: Tensors) -> None:
        self._method, self._t, self._start = method, t, start
        self._uploads: list[Tensors] = []

    def add(self, upload: Tensors, weight: float) -> None:
        self._uploads.append(upload)

    def finish(self, weights: Sequence[float]) -> Tensors:
        device = next(iter(self._start.values())).device
        w = torch.tensor(weights, dtype=torch.float64, device=device) / sum(weights)
        symbols = self._uploads[0]
        stacked = {symbol: torch.stack([upload[symbol] for upload in self._uploads]).double() for symbol in symbols}
        return self._method.combine(self._t, self._start, stacked, w)
