"""One round's aggregation: uploads become a method's new state, group by group, as they arrive."""

from collections.abc import Mapping, Sequence

import torch

from strategies.method import Method
from strategies.plan import HELD, Role
from strategies.protection.privacy import Release
from strategies.protection.robust import Reduction, bounded_weights, most_lowered
from strategies.server.group_sums import GroupSum, RobustSum, RunningSum, StackedUploads, Summing
from strategies.server.mean_update import MeanUpdate
from strategies.server.server_optimizer import ServerOptimizer
from strategies.state import HEAD, Shape, State, Tensors

NO_MEANS: Mapping[str, MeanUpdate] = {}
"""Of a combination that nobody asks for diagnostics."""


class Combination:
    """The aggregation of one round that starts from `state`, float64 on `device`.

    With `contributed` uploads are summands already, as `Method.contribute` makes them. `reduce` replaces the weighted
    mean of the summands, and every client of a weight above 0 counts alike. `release` is what a method gets to see of
    the mean, of which `travels` has the sizes by key "group/symbol" that are no padding; by default all of it is none.
    What is in `means`, by group, is given each upload as well. No client has more than `max_share` of the weight, see
    `bounded_weights`. What noise of `noise_variance` on every number of the uploads adds to a weighted mean on average
    is taken off, where the method knows it; of a reduction nobody does. An `optimizer` steps towards the mean.

    Rounding depends on the order of the uploads: add them in a fixed one, by partition id.
    """

    def __init__(
        self,
        method: Method,
        t: int,
        state: State,
        device: torch.device | str,
        means: Mapping[str, MeanUpdate] = NO_MEANS,
        contributed: bool = False,
        reduce: Reduction | None = None,
        release: Release | None = None,
        max_share: float = 1.0,
        travels: Mapping[str, Shape] | None = None,
        noise_variance: float = 0.0,
        optimizer: ServerOptimizer | None = None,
    ) -> None:
        assert not (contributed and means), "summands are not the clients' tensors"
        assert method.traits.needs == "sum" or not (contributed or reduce), f"{method.name} has no summands"
        assert method.traits.mean_of_uploads or not release, f"what one upload adds to {method.name}'s sum has no bound"
        assert method.traits.mean_of_uploads or not optimizer, f"{method.name} makes no mean to step towards"
        self.method = method
        self.t = t
        self.device = torch.device(device)
        self.start = state
        self.weights: list[float] = []
        """The raw weight of every upload; once the round is finished, as bounded."""
        self._means, self._max_share = means, max_share
        self._travels = state.sizes if travels is None else travels
        self._noise_variance = noise_variance if reduce is None else 0.0
        self._optimizer = optimizer
        self._sizes = {} if contributed else state.sizes
        """Of the tensors of an upload; of summands, those of the first."""
        wide = state.map(lambda tensor: tensor.to(self.device, torch.float64))
        self._groups = {name: self._group_sum(name, wide[name], contributed, reduce, release) for name in wide}

    def add(self, upload: State, weight: float) -> None:
        """Fold one client's upload, all groups of the state, in with its raw weight >= 0."""
        assert upload.keys() == self.start.keys(), f"groups {sorted(upload)} instead of {sorted(self.start)}"
        self._sizes = self._sizes or upload.sizes
        for key, size in upload.sizes.items():
            assert size == self._sizes[key], f"{key} is {size}, expected {self._sizes[key]}"
        local = upload.map(lambda tensor: tensor.to(self.device))
        self.weights.append(weight)
        for name, tensors in local.items():
            self._groups[name].add(tensors, weight)
            if name in self._means:
                self._means[name].add(tensors, weight)

    def finish(self) -> State:
        """Return the new state, in the dtypes and on the devices of the old; ends the combination."""
        assert sum(self.weights) > 0, f"the weights {self.weights} of the round sum to {sum(self.weights)}"
        self.weights = bounded_weights(self.weights, self._max_share)
        new: dict[str, Tensors] = {}
        for name, old in self.start.items():
            made = self._groups[name].finish(self.weights)
            stays = {symbol: old[symbol] for symbol in self.method.plan.named(Role.ONCE) if symbol in old}
            new[name] = {**{symbol: tensor.to(old[symbol]) for symbol, tensor in made.items()}, **stays}
            if lacking := [s for s in self.method.plan.named(*HELD) if s in old and s not in new[name]]:
                raise ValueError(
                    f'strategy.name = "{self.method.name}": its step returns no {", ".join(lacking)}, which the server '
                    "holds by its plan; return them from `finish` or `combine`, or change their roles in `plan`"
                )
        return State(new)

    def _group_sum(
        self, name: str, start: Tensors, contributed: bool, reduce: Reduction | None, release: Release | None
    ) -> GroupSum:
        """What becomes of the uploads of one group; the head is a mean under every rule."""
        if name != HEAD and self.method.traits.needs == "stack":
            return StackedUploads(self.method, self.t, start)
        sizes = {symbol: self._travels[key] for symbol in start if (key := f"{name}/{symbol}") in self._travels}
        method = None if name == HEAD else self.method
        noise, optimizer = self._noise_variance, self._optimizer
        summing = Summing(method, self.t, start, contributed, release, sizes, noise, optimizer)
        return RunningSum(summing, most_lowered(self._max_share)) if reduce is None else RobustSum(summing, reduce)


def aggregate(method: Method, t: int, state: Tensors, uploads: Sequence[Tensors], w: Sequence[float]) -> Tensors:
    """Return the new state of one shape group from all uploads of a round.

    Args:
        method: the rule.
        t: the round, from 1.
        state: the tensors with which the round began, each (l, ...).
        uploads: what the clients send, symbols as in the method's plan.
        w: raw weights, one for each upload, not all zero; normalised to sum 1.

    >>> from strategies.methods.fedit import FedIT
    >>> one, other = ({"A": torch.full((1, 2, 5), x), "B": torch.full((1, 6, 2), x)} for x in (1.0, 4.0))
    >>> aggregate(FedIT(), 1, one, [one, other], [2, 1])["A"][0, 0]
    tensor([2., 2., 2., 2., 2.])
    """
    name = "group"
    device = next((tensor.device for tensor in state.values()), "cpu")
    combination = Combination(method, t, State({name: state}), device)
    for upload, weight in zip(uploads, w, strict=True):
        combination.add(State({name: upload}), weight)
    return combination.finish().get(name, {})
