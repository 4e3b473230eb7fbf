"""What is kept of the uploads of one shape group until the round is over: their sum, all of them, or all summands."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from strategies.linalg import fold_product
from strategies.method import MatrixProduct, Method, Summand, dense_summand
from strategies.protection.privacy import Release
from strategies.protection.robust import Reduction
from strategies.state import Tensors


@runtime_checkable
class GroupSum(Protocol):
    """The uploads of one group on their way to its new tensors."""

    def add(self, upload: Tensors, weight: float) -> None:
        """Take one client's upload, on the device of the state, with its raw weight >= 0."""
        ...

    def finish(self) -> Tensors:
        """Return the group's new tensors, float64; called once, after a weight above 0 was added."""
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

    def summand(self, upload: Tensors) -> Summand:
        """Return the summand of one client's float64 upload."""
        if self.method is None or self.contributed:
            return upload
        return self.method.contribute(self.t, self.start, upload)

    def new_tensors(self, mean: Tensors, count: int) -> Tensors:
        """Return the new tensors from the mean of `count` summands."""
        if self.release is not None:
            mean = self.release(self.start, mean, count)
        return mean if self.method is None else self.method.finish(self.t, self.start, mean)


class RunningSum:
    """The weighted mean of the summands; memory independent of the number of uploads.

    Raw weights are summed and divided out at the end.
    """

    def __init__(self, summing: Summing) -> None:
        self._summing = summing
        # One buffer for all uploads: fresh pages for each cost more than the arithmetic on them.
        self._wide: Tensors = {}
        self._total: Tensors = {}
        self._weights: list[float] = []

    def add(self, upload: Tensors, weight: float) -> None:
        self._weights.append(weight)
        summand = self._summing.summand(self._widened(upload))
        if not self._total:
            self._total = {symbol: weight * tensor for symbol, tensor in dense_summand(summand).items()}
            return
        for symbol, part in summand.items():
            if isinstance(part, MatrixProduct):
                fold_product(self._total[symbol], part.X, part.Y, weight)
            else:
                self._total[symbol].add_(part, alpha=weight)

    def finish(self) -> Tensors:
        weight = sum(self._weights)
        mean = {symbol: tensor.div_(weight) for symbol, tensor in self._total.items()}
        return self._summing.new_tensors(mean, len(self._weights))

    def _widened(self, upload: Tensors) -> Tensors:
        """Copy the upload into the float64 buffer, which the next upload overwrites."""
        for symbol, tensor in upload.items():
            wide = self._wide.setdefault(symbol, torch.empty_like(tensor, dtype=torch.float64))
            wide.copy_(tensor)
        return {symbol: self._wide[symbol] for symbol in upload}


class RobustSum:
    """A reduction of the summands of all clients of a weight above 0, which count alike; holds them all."""

    def __init__(self, summing: Summing, reduce: Reduction) -> None:
        self._summing, self._reduce = summing, reduce
        self._summands: list[Tensors] = []
        self._count = 0

    def add(self, upload: Tensors, weight: float) -> None:
        self._count += 1
        if weight > 0:
            wide = {symbol: tensor.to(torch.float64, copy=True) for symbol, tensor in upload.items()}
            self._summands.append(dense_summand(self._summing.summand(wide)))

    def finish(self) -> Tensors:
        symbols = self._summands[0]
        mean = {symbol: self._reduce(torch.stack([one[symbol] for one in self._summands])) for symbol in symbols}
        return self._summing.new_tensors(mean, self._count)


class StackedUploads:
    """All uploads side by side, for a rule that needs them so; held in the dtype in which they came."""

    def __init__(self, method: Method, t: int, start: Tensors) -> None:
        self._method, self._t, self._start = method, t, start
        self._uploads: list[Tensors] = []
        self._weights: list[float] = []

    def add(self, upload: Tensors, weight: float) -> None:
        self._uploads.append(upload)
        self._weights.append(weight)

    def finish(self) -> Tensors:
        device = next(iter(self._start.values())).device
        w = torch.tensor(self._weights, dtype=torch.float64, device=device) / sum(self._weights)
        symbols = self._uploads[0]
        stacked = {symbol: torch.stack([upload[symbol] for upload in self._uploads]).double() for symbol in symbols}
        return self._method.combine(self._t, self._start, stacked, w)
