"""GaLore: optimizer steps in a low-rank space of the gradients (Zhao et al., ICML 2024, arXiv 2403.03507)."""

import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

from strategies.projection import Projection

Side = Literal["left", "right"]
PROJECTOR, STEPS = "projector", "projected-steps"
"""What `GaLore.state` holds of a projected parameter: P, and how many steps there were, a count on the CPU."""


def side_of(rows: int, columns: int, side: str) -> Side:
    """Where the projector stands; "std": on the shorter side, right of tall and square gradients."""
    if side == "std":
        return "right" if rows >= columns else "left"
    assert side in ("left", "right"), side
    return side  # pyright: ignore[reportReturnType]  # one of the two, see above


def projector(G: Tensor, rank: int, side: Side) -> Tensor:
    """P with orthonormal columns: leading right (..., n, r) or left (..., m, r) singular vectors of G (..., m, n)."""
    U, _, Vh = torch.linalg.svd(G, full_matrices=False)
    return Vh[..., :rank, :].mT if side == "right" else U[..., :rank]


def project(G: Tensor, P: Tensor, side: Side) -> Tensor:
    """G P (..., m, r) or P^T G (..., r, n)."""
    return G @ P if side == "right" else P.mT @ G


def project_back(N: Tensor, P: Tensor, side: Side) -> Tensor:
    """N P^T or P N, (..., m, n)."""
    return N @ P.mT if side == "right" else P @ N


class GaLore(Optimizer):
    """Any optimizer, whose moments live in the low-rank space for parameters (l, m, n) of groups with "project": True.

    With R = project(G), N the inner optimizer's direction for R: W <- W - lr scale project_back(N) - lr wd W. The
    projector is made from the current gradient at step 0 and every `gap` steps; the moments are neither reset nor
    rotated then, as in the authors' code. AdamW's direction for R has the projection's eps where it says. Other groups
    go through the inner optimizer as they are.
    """

    def __init__(
        self, groups: list[dict[str, Any]], build: Callable[[list[dict[str, Any]]], Optimizer], projection: Projection
    ):
        low_rank = {"rank": projection.rank, "side": projection.side}
        super().__init__(groups, {"project": False, "weight_decay": 0.0, **low_rank})
        self._projection = projection
        self._low: dict[Tensor, Tensor] = {p: self._low_rank_zeros(p) for p, _ in self._projected()}
        self.inner = build([self._inner_group(group) for group in self.param_groups])
        """Has the parameters in the same order, the projected ones in their low-rank form."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step from the parameters' gradients."""
        assert closure is None, "a closure is not supported"
        for group, inner in zip(self.param_groups, self.inner.param_groups, strict=True):
            inner["lr"] = group["lr"]
            if group["project"] and "eps" in inner:
                inner["eps"] = self._eps(group, inner["betas"][1])
        for parameter, _ in self._projected():
            self._descend(parameter)
        self.inner.step()
        for parameter, group in self._projected():
            back = project_back(self._low[parameter], self.state[parameter][PROJECTOR], self._side(parameter))
            parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(back, alpha=self._projection.scale)
            self.state[parameter][STEPS] += 1

    def _eps(self, group: dict[str, Any], beta: float) -> float:
        """What torch must add to sqrt(v / (1 - beta^t)) so that eps is added to sqrt(v): eps / sqrt(1 - beta^t)."""
        if self._projection.eps_place == "after":
            return self._projection.eps
        t = 1 + int(self.state[group["params"][0]].get(STEPS, 0))
        return self._projection.eps / math.sqrt(1 - beta**t)

    def _descend(self, parameter: Tensor) -> None:
        """Hand the projected gradient to the inner optimizer, which moves from zero: it leaves -lr N behind."""
        G, side, state = parameter.grad, self._side(parameter), self.state[parameter]
        assert G is not None, "a projected parameter has no gradient"
        steps = state.setdefault(STEPS, torch.zeros(()))
        if PROJECTOR not in state or int(steps) % self._projection.gap == 0:
            state[PROJECTOR] = projector(G, self._projection.rank, side)
        self._low[parameter].zero_().grad = project(G, state[PROJECTOR], side)

    def _projected(self) -> Iterator[tuple[Tensor, dict[str, Any]]]:
        return ((parameter, group) for group in self.param_groups if group["project"] for parameter in group["params"])

    def _inner_group(self, group: dict[str, Any]) -> dict[str, Any]:
        if not group["project"]:
            return {key: group[key] for key in ("params", "lr", "weight_decay")}
        return {"params": [self._low[p] for p in group["params"]], "lr": group["lr"], "weight_decay": 0.0}

    def _side(self, parameter: Tensor) -> Side:
        return side_of(parameter.shape[-2], parameter.shape[-1], self._projection.side)

    def _low_rank_zeros(self, parameter: Tensor) -> Tensor:
        *layers, m, n = parameter.shape
        r = self._projection.rank
        return parameter.new_zeros(*layers, *((m, r) if self._side(parameter) == "right" else (r, n)))
