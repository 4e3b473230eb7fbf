"""Server optimizers: the mean of the uploads is a direction to step in, instead of the next state.

FedAvgM of Hsu et al., 2019, arXiv 1909.06335; FedAdagrad, FedYogi and FedAdam of Reddi et al., ICLR 2021, arXiv
2003.00295, algorithm 2.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from strategies.manifest import Manifest
from strategies.plan import Plan, Role
from strategies.state import HEAD, State, Tensors, beside

ServerRule = Literal["fedavgm", "fedadam", "fedyogi", "fedadagrad"]

MOMENTUM, VARIANCE = "momentum", "variance"
"""What the server keeps beside a symbol: m of the change, and v of its squares where the rule has such."""

Squares = Callable[[Float[Tensor, "..."], Float[Tensor, "..."], float], Float[Tensor, "..."]]
"""(v, Delta^2, beta2) -> the next v."""

SQUARES: Mapping[ServerRule, Squares] = {
    "fedadam": lambda v, square, beta2: beta2 * v + (1 - beta2) * square,
    "fedyogi": lambda v, square, beta2: v - (1 - beta2) * square * torch.sign(v - square),
    "fedadagrad": lambda v, square, beta2: v + square,
}
"""Of the adaptive rules; "fedavgm" is none."""


@dataclass(frozen=True)
class ServerOptimizer:
    """A step from the state x towards the mean of the uploads, by Delta = mean - x, coordinate by coordinate.

    - fedavgm: m' = beta m + Delta, x' = x + eta m'. With beta = 0 and eta = 1 the mean itself, to the bit.
    - the others: m' = beta m + (1 - beta) Delta, v' by the rule from Delta^2, x' = x + eta m' / (sqrt(v') + tau).

    They begin with m = 0 and v = tau^2. As in the papers no moment is corrected for its start.
    """

    rule: ServerRule
    learning_rate: float
    """eta"""
    momentum: float
    """beta of fedavgm, beta1 of the others."""
    beta2: float
    tau: float

    @property
    def kept(self) -> tuple[str, ...]:
        """The names of the moments."""
        return (MOMENTUM, VARIANCE) if self.rule in SQUARES else (MOMENTUM,)

    def initial(self, what: str) -> float:
        """Return the number that fills a moment at the start."""
        return self.tau**2 if what == VARIANCE else 0.0

    def step(self, start: Tensors, mean: Tensors) -> tuple[Tensors, Tensors]:
        """Return what stands in for the mean of one group's uploads, and all moments of the group.

        A symbol without moments, or without a mean in this round, stays as it is. Moments of another size than their
        symbol's, which changed its own, begin anew.

        Args:
            start: the group as the round began, its moments among them, float64.
            mean: of the uploads, by symbol.
        """
        stepped = dict(mean)
        moments = {s: tensor for s, tensor in start.items() if s.endswith((f".{MOMENTUM}", f".{VARIANCE}"))}
        for symbol, target in mean.items():
            if beside(symbol, MOMENTUM) not in start:
                continue
            m, v = (self._moment(start, symbol, what) for what in (MOMENTUM, VARIANCE))
            change = target - start[symbol]
            if self.rule == "fedavgm":
                m = self.momentum * m + change
                ahead = self.learning_rate * m
            else:
                m = self.momentum * m + (1 - self.momentum) * change
                v = SQUARES[self.rule](v, change.square(), self.beta2)
                ahead = self.learning_rate * m / (v.sqrt() + self.tau)
            # From the mean and not from x: a step of Delta itself then is the mean to the bit.
            stepped[symbol] = target + (ahead - change)
            moments |= {beside(symbol, what): new for what, new in ((MOMENTUM, m), (VARIANCE, v)) if what in self.kept}
        return stepped, moments

    def _moment(self, start: Tensors, symbol: str, what: str) -> Float[Tensor, "..."]:
        like, found = start[symbol], start.get(beside(symbol, what))
        return found if found is not None and found.shape == like.shape else torch.full_like(like, self.initial(what))


def plan_with_moments(plan: Plan, optimizer: ServerOptimizer | None) -> Plan:
    """Return the plan with the optimizer's moments beside all that clients train and share; None: the plan itself."""
    if optimizer is None:
        return plan
    own = {beside(s, what): Role.SERVER for s in plan.named(Role.SHARED) for what in optimizer.kept}
    head = optimizer.kept if plan.head is Role.SHARED else ()
    return replace(plan, roles={**plan.roles, **own}, beside_head=(*plan.beside_head, *head))


def initial_moments(manifest: Manifest, state: State, optimizer: ServerOptimizer | None) -> State:
    """Return the optimizer's moments before round 1, each of the size of its symbol.

    Args:
        manifest: whose plan has them.
        state: all else that the server holds.
        optimizer: None makes none.
    """
    if optimizer is None:
        return State()
    groups = {
        name: {
            beside(s, what): torch.full_like(tensor, optimizer.initial(what))
            for s, tensor in tensors.items()
            for what in optimizer.kept
            if (beside(s, what) in manifest.plan.roles if name != HEAD else what in manifest.plan.beside_head)
        }
        for name, tensors in state.items()
    }
    return State(groups)
