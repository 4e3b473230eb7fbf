"""One round's aggregation: uploads folded into a method's weighted sum as they arrive, for all groups."""

from collections.abc import Sequence

import torch

from strategies.method import UPLOADED, Method
from strategies.protection.privacy import Release
from strategies.protection.robust import Reduction
from strategies.state import HEAD, HEAD_SYMBOL, Tensors

Groups = dict[str, Tensors]
"""The tensors of every shape group by its name; the trained layers outside adapters are {HEAD: {"values": (h,)}}."""


class Combination:
    """The weighted sum of a round, float64 on `device`: memory independent of the number of uploads.

    Raw weights are summed and divided out at the end. Rounding depends on the order of the uploads: add them in a fixed
    one, by partition id. A method that needs all uploads has them held until `finish`. With `contributed` uploads are
    summands already, as `Method.contribute` makes them. With `reduce` all summands are held, and it replaces their
    weighted mean: every client of a weight above 0 counts alike. `release` is what a method gets to see of the mean.
    """

    def __init__(
        self,
        method: Method,
        t: int,
        state: Groups,
        device: torch.device | str,
        keep: bool = False,
        contributed: bool = False,
        reduce: Reduction | None = None,
        release: Release | None = None,
    ) -> None:
        assert not (contributed and keep), "summands are not the clients' tensors"
        assert method.needs == "sum" or not (contributed or reduce), f"{method.name} has no summands"
        assert method.mean_of_uploads or not release, f"what one upload adds to {method.name}'s sum has no bound"
        self.method = method
        self.t = t
        self.device = torch.device(device)
        self.uploads: list[Groups] = []
        """With `keep`, or where the method needs them: the uploads on the device as they came, without the head."""
        self.weights: list[float] = []
        """The raw weight of every upload."""
        self.given = state
        """The state as the round began."""
        self._state = {
            name: {symbol: tensor.to(self.device, torch.float64) for symbol, tensor in tensors.items()}
            for name, tensors in state.items()
        }
        self._contributed = contributed
        # One buffer for all uploads: fresh pages for each cost more than the arithmetic on them.
        self._wide = {name: {s: torch.empty_like(t) for s, t in self._sent(name).items()} for name in self._state}
        self._hold = keep or method.needs == "stack"
        self._total: Groups = {}
        self._reduce, self._release = reduce, release
        self._summands: dict[str, list[Tensors]] = {}
        """With `reduce`: of each group, instead of the total."""

    def add(self, upload: Groups, weight: float) -> None:
        """Fold one client's upload, all groups of the state, in with its raw weight >= 0."""
        assert upload.keys() == self.given.keys(), f"groups {sorted(upload)} instead of {sorted(self.given)}"
        local = {name: {s: tensor.to(self.device) for s, tensor in tensors.items()} for name, tensors in upload.items()}
        self.weights.append(weight)
        if self._hold:
            self.uploads.append({name: tensors for name, tensors in local.items() if name != HEAD})
        for name, tensors in local.items():
            if name == HEAD or self.method.needs == "sum":
                self._fold(name, self._widened(name, tensors), weight)

    def finish(self) -> Groups:
        """The new state, in the dtypes and on the devices of the old; ends the combination, whose sum it divides."""
        weight = sum(self.weights)
        assert weight > 0, f"the weights {self.weights} of the round sum to {weight}"
        new = {}
        for name, old in self.given.items():
            is_sum = name == HEAD or self.method.needs == "sum"
            tensors = self._summed(name, weight) if is_sum else self._stacked(name, weight)
            new[name] = {symbol: tensor.to(old[symbol]) for symbol, tensor in tensors.items()}
        return new

    def _sent(self, name: str) -> Tensors:
        """Tensors like those of a group that clients send."""
        symbols = (HEAD_SYMBOL,) if name == HEAD else self.method.plan.named(*UPLOADED)
        tensors = {symbol: self._state[name][symbol] for symbol in symbols}
        return self._summand(name, tensors) if self._contributed else tensors

    def _summand(self, name: str, upload: Tensors) -> Tensors:
        """Of one client; the head is its own."""
        return upload if name == HEAD else self.method.contribute(self.t, self._state[name], upload)

    def _widened(self, name: str, tensors: Tensors) -> Tensors:
        """The upload in the group's float64 buffer, which the next upload overwrites."""
        for symbol, tensor in tensors.items():
            wide = self._wide[name][symbol]
            assert tensor.shape == wide.shape, f"{name}/{symbol} is {tuple(tensor.shape)}, expected {tuple(wide.shape)}"
            wide.copy_(tensor)
        return {symbol: self._wide[name][symbol] for symbol in tensors}

    def _fold(self, name: str, upload: Tensors, weight: float) -> None:
        is_summand = self._contributed or name == HEAD
        if self._reduce is not None:
            summand = upload if is_summand else self._summand(name, upload)
            if weight > 0:
                # Copies: a summand may be the buffer that the next upload overwrites.
                self._summands.setdefault(name, []).append({s: tensor.clone() for s, tensor in summand.items()})
        elif name not in self._total:
            summand = upload if is_summand else self._summand(name, upload)
            self._total[name] = {symbol: weight * tensor for symbol, tensor in summand.items()}
        elif is_summand:
            for symbol, tensor in upload.items():
                self._total[name][symbol].add_(tensor, alpha=weight)
        else:
            self.method.fold(self.t, self._state[name], upload, weight, self._total[name])

    def _summed(self, name: str, weight: float) -> Tensors:
        if self._reduce is not None:
            own = self._summands[name]
            mean = {symbol: self._reduce(torch.stack([one[symbol] for one in own])) for symbol in own[0]}
        else:
            mean = {symbol: tensor.div_(weight) for symbol, tensor in self._total[name].items()}
        if self._release is not None:
            mean = self._release(self._state[name], mean, len(self.weights))
        return mean if name == HEAD else self.method.finish(self.t, self._state[name], mean)

    def _stacked(self, name: str, weight: float) -> Tensors:
        w = torch.tensor(self.weights, dtype=torch.float64, device=self.device) / weight
        uploads = [upload[name] for upload in self.uploads]
        stacked = {symbol: torch.stack([upload[symbol] for upload in uploads]).double() for symbol in uploads[0]}
        return self.method.combine(self.t, self._state[name], stacked, w)


def aggregate(method: Method, t: int, state: Tensors, uploads: Sequence[Tensors], w: Sequence[float]) -> Tensors:
    """The new state of one shape group from all uploads of a round; raw weights w, normalised to sum 1."""
    name = "group"
    device = next((tensor.device for tensor in state.values()), "cpu")
    combination = Combination(method, t, {name: state}, device)
    for upload, weight in zip(uploads, w, strict=True):
        combination.add({name: upload}, weight)
    return combination.finish()[name]
