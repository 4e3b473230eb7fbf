"""FLoRG: one matrix A per layer, dW = s L A^T A R; Gram aggregation and Procrustes alignment. arXiv 2602.17095."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from jaxtyping import Float, Int
from torch import Tensor

from strategies.bases.basis import Fixed
from strategies.bases.pair import BasisKind, NumBases, basis_pair
from strategies.linalg import gram_factor, polar, procrustes, psd_factor, psd_inverse_sqrt
from strategies.method import Method
from strategies.plan import Plan, Role, Traits
from strategies.rng import generator
from strategies.state import FrozenWeights, Group, Tensors
from strategies.summand import MatrixProduct, Summand

Solver = Literal["closed-form", "literal", "truncate"]


@dataclass(frozen=True, kw_only=True)
class FLoRG(Method):
    """Average the clients' Gram matrices, Q = sum_n w_n A_n^T A_n, and broadcast a factor of Q nearest to the old A.

    With A = A^t and rank r, three solvers for A^{t+1} (r, k):

    - literal, the paper's eqs. 4-12: Q = P^T Lambda P by a k x k eigendecomposition, F = Lambda^(1/2) P (r', k),
      A F^T = U Sigma V^T, A^{t+1} = U V^T F.
    - closed-form, the same matrix with the eigenbasis cancelled: A^{t+1} = (A Z)^(-1/2) Z^T, Z = Q A^T. Its Gram
      matrix is the Nystrom approximation of Q, and Z is a sum over clients of k x r matrices.
    - truncate: the rank-r part of Q with the least error, then a square Procrustes alignment.

    literal and closed-form agree where A F^T has full rank: rank r, or r' = rank Q where r' < r. Below that the literal
    alignment is an arbitrary completion, and the closed form drops what A does not see. It does not resolve directions
    of A Q A^T below k eps of the largest, for which a singular value of A falls to about 1e-3 of the largest; the
    literal solver resolves those of Q, about 1e-6. With r' <= r, truncate has the same Gram matrix as the literal
    solver, Q itself; with r' > r all but closed-form and literal differ.

    A client of rank m < r gets O F_m: F_m the m leading rows of the factor F = Lambda^(1/2) P of A^T A, the largest
    eigenvalues first, and O in O(m) the one that takes them nearest to the first m rows of A, the aligned factor. So
    the state itself, its alignment and what clients of rank r get do not depend on who else takes part. The eigenpairs
    that it was not sent count for it as they are, Q_n = A_n^T A_n + F_(>m)^T F_(>m): clients that change nothing change
    nothing, where zeros would let the last directions fade. With `zero_start` it subtracts the Gram matrix of P A1, P
    (m, r) the polar factor of O F_m A1^T: the part of A1 from which its own rows came.
    """

    name = "florg"
    summary = "one matrix A per layer, Gram matrices averaged, Procrustes-aligned (FLoRG, arXiv 2602.17095)"

    solver: Solver = "closed-form"
    align: bool = True
    """False: the leading r rows of F as they come, the paper's ablation."""
    basis: BasisKind = "haar"
    """"gradient": the first columns of L are the leading left singular vectors of the clients' mean gradient at W0, the
    first rows of R the right ones, negative, completed by "haar"; A^1 = initial_norm [I_r 0] opens exactly them. With
    H = L^T G R^T then diagonal and negative there, nothing of it is lost to the symmetry of A^T A (eq. 2)."""
    bases: NumBases = "two"
    initial_norm: Annotated[float, Gt(0)] = 1.0
    """Root mean square of the norms of the rows of A^1, whose elements have the standard deviation initial_norm /
    sqrt(k): ||A1^T A1|| is then about initial_norm^2 (1 + sqrt(r / k))^2, alike in layers of all sizes."""
    initial_std: Annotated[float, Ge(0)] = 0.0
    """Standard deviation of the elements of A^1 in layers of all sizes, in place of initial_norm; 0: by initial_norm.
    ||A1^T A1|| is about initial_std^2 (sqrt(k) + sqrt(r))^2. A = 0 would be a stationary point (eq. 2)."""
    zero_start: bool = True
    """Subtract the initial Gram matrix, dW = s L (A^T A - A1^T A1) R, so that training starts at W0; False: as
    published, at W0 + s L A1^T A1 R."""

    def __post_init__(self) -> None:
        if self.initial_std and self.initial_norm != FLoRG.initial_norm:
            raise ValueError(
                f"strategy.florg.initial-std = {self.initial_std:g} and strategy.florg.initial-norm = "
                f"{self.initial_norm:g} both give the size of the initial A; leave one of them out"
            )
        if self.solver == "closed-form" and not self.align:
            raise ValueError(
                "strategy.florg.align = false is impossible with strategy.florg.solver = 'closed-form', which contains "
                "the alignment; set strategy.florg.solver = 'literal' or 'truncate'"
            )

        if self.basis == "gradient" and (self.bases == "one" or not self.zero_start or self.initial_std):
            raise ValueError(
                'strategy.florg.basis = "gradient" has two bases, and A begins along their first directions, at W0, '
                "with rows of norm initial-norm; leave out strategy.florg.bases, zero-start and initial-std"
            )

    @property
    def plan(self) -> Plan:
        if self.basis == "gradient":
            roles = {"A": Role.SHARED, "U": Role.ONCE, "V": Role.ONCE}
            return Plan(adapter="gram+turned", roles=roles, weighting="uniform")
        return Plan(adapter="gram", roles={"A": Role.SHARED}, weighting="uniform")

    @property
    def traits(self) -> Traits:
        return Traits(
            from_gradient=self.basis == "gradient",
            gauge_free=True,
            client_ranks=True,
            keeps_rest=True,
            steady=self.align,
            needs="stack" if self.solver == "truncate" else "sum",
        )

    def fixed(self, group: Group, rank: int, seed: int, weights: FrozenWeights) -> Fixed:
        L, R = basis_pair(self.basis, self.bases, group, seed, weights)
        if not self.zero_start:
            return {"L": L, "R": R}
        return {"L": L, "R": R, "A1": self.initial(group, rank, seed)["A"]}

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A ~ N(0, sigma^2), sigma = initial_std or initial_norm / sqrt(k); with gradient bases along the first axes, U
        and V the first axes too until there is a gradient.
        """
        shape = (len(group.layers), rank, group.k)
        if self.basis == "gradient":
            first = {"A": (rank, group.k), "U": (group.out_features, rank), "V": (group.in_features, rank)}
            axes = {symbol: torch.eye(*sizes).expand(len(group.layers), -1, -1) for symbol, sizes in first.items()}
            return {**axes, "A": self.initial_norm * axes["A"]}
        sigma = self.initial_std or self.initial_norm / math.sqrt(group.k)
        A = generator(seed, "initial-A", group.name).normal(0, sigma, shape)
        return {"A": torch.from_numpy(A).float()}

    def from_gradient(self, U: Float[Tensor, "l o r"], S: Float[Tensor, "l r"], V: Float[Tensor, "l i r"]) -> Tensors:
        """U and -V, for gradient bases."""
        return {"U": U, "V": -V}

    def led_by(self, state: Tensors, rank: int) -> Tensors:
        """[O F_m; F_(>m)] in place of A, which has the same Gram matrix; of equal eigenvalues the earlier row first."""
        A = state["A"].double()
        e, E = torch.linalg.eigh(A @ A.mT)
        order = e.sort(dim=-1, descending=True, stable=True).indices
        F = E.gather(-1, order.unsqueeze(-2).expand_as(E)).mT @ A
        leading = F[..., :rank, :]
        turned = procrustes(A[..., :rank, :], leading) @ leading
        return {**state, "A": torch.cat([turned, F[..., rank:, :]], -2).to(state["A"])}

    def own_bases(self, fixed: Fixed, received: Tensors, rank: int) -> Fixed:
        """P A1, filled up with zero rows, where the initial Gram matrix is subtracted."""
        if not self.zero_start:
            return {}
        A1 = fixed["A1"]
        assert isinstance(A1, Tensor)
        wide, A = A1.double(), received["A"][..., :rank, :].double()
        part = polar(A @ wide.mT) @ wide
        return {"A1": torch.nn.functional.pad(part, (0, 0, 0, A1.shape[-2] - rank)).to(A1)}

    def contribute(self, t: int, state: Tensors, upload: Tensors) -> Summand:
        """closed-form: Z_n^T = (A A_n^T) A_n, (l, r, k); literal: Q_n = A_n^T A_n, (l, k, k)  (eq. 4)."""
        A, A_n = state["A"], upload["A"]
        if self.solver == "literal":
            return {"Q": MatrixProduct(A_n.mT, A_n)}
        return {"Zt": MatrixProduct(A @ A_n.mT, A_n)}

    def influence(self, t: int, state: Tensors, upload: Tensors) -> Summand:
        """The Gram matrix Q_n = A_n^T A_n, which is the same for -A_n and any other O A_n."""
        return {"Q": MatrixProduct(upload["A"].mT, upload["A"])}

    def without_noise(self, state: Tensors, total: Tensors, variance: float) -> Tensors:
        """Q - r v I, literal, or Z^T - r v A: noise E on A_n adds E^T E to its Gram matrix, on average r v I."""
        A = state["A"]
        r, k = A.shape[-2:]
        if self.solver == "literal":
            return {"Q": total["Q"] - r * variance * torch.eye(k, dtype=A.dtype, device=A.device)}
        return {"Zt": total["Zt"] - r * variance * A}

    def finish(self, t: int, state: Tensors, total: Tensors) -> Tensors:
        """A^{t+1} from the sum."""
        A = state["A"]
        if self.solver == "literal":
            return {
                "A": torch.stack([self._factor(A_l, psd_factor(Q_l)) for A_l, Q_l in zip(A, total["Q"], strict=True)])
            }
        Zt = total["Zt"]
        return {"A": psd_inverse_sqrt(Zt @ A.mT, A.shape[-1]) @ Zt}

    def combine(self, t: int, state: Tensors, uploads: Tensors, w: Float[Tensor, " n"]) -> Tensors:
        """truncate: the leading r rows of F, which carry the best rank-r part of Q, turned towards A."""
        A = state["A"]
        return {"A": self._factor(A, gram_factor(uploads["A"], w)[..., : A.shape[-2], :])}

    def _factor(self, A: Float[Tensor, "*l r k"], F: Float[Tensor, "*l m k"]) -> Float[Tensor, "*l r k"]:
        """S F nearest to A (eqs. 11, 12), or without alignment the leading r rows of F, filled up with zeros."""
        if self.align:
            return procrustes(A, F) @ F
        r = A.shape[-2]
        return torch.nn.functional.pad(F[..., :r, :], (0, 0, 0, max(0, r - F.shape[-2])))

    def remark(self, group: Group, state: Tensors, new_state: Tensors) -> str:
        """On directions of A that the closed form has dropped, which are then zero for the rest of the run."""
        lost = _rank(state["A"]) - _rank(new_state["A"])
        if self.solver != "closed-form" or not (lost > 0).any():
            return ""
        return (
            f"strategy.florg.solver = closed-form drops {int(lost.max())} of {state['A'].shape[-2]} directions of A in "
            f"{int((lost > 0).sum())} of {len(group.layers)} layers {group.name}, such as "
            f"{group.layers[int(lost.argmax())]}: they fell below about 6e-4 of the largest and stay zero; literal "
            "resolves them down to about 1e-6, and a lower adapter.rank may do as well"
        )

    def diagnose(self, state: Tensors, new_state: Tensors) -> dict[str, float]:
        """Drift ||A^{t+1} - A^t||_F, extreme eigenvalues of A^{t+1} A^{t+1}^T over the layers, and the drift that the
        same A^{t+1} would have in its own eigenbasis, rows largest first, signs as they come: without alignment.
        """
        A, A_new = state["A"].double(), new_state["A"].double()
        e, E = torch.linalg.eigh(A_new @ A_new.mT)
        unaligned = E.flip(-1).mT @ A_new
        return {
            "drift": (A_new - A).norm().item(),
            "drift-unaligned": (unaligned - A).norm().item(),
            "lambda-min": e[..., 0].min().item(),
            "lambda-max": e[..., -1].max().item(),
        }


def _rank(A: Float[Tensor, "l r k"]) -> Int[Tensor, " l"]:
    """Of each layer: the number of singular values above 1e-5 of the largest, between what the closed form resolves and
    the rounding of float32.
    """
    A64 = A.double()
    e = torch.linalg.eigvalsh(A64 @ A64.mT)
    return (e > 1e-10 * e[..., -1:]).sum(-1)
