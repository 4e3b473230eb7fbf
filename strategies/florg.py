"""FLoRG: one matrix A per layer, dW = s L A^T A R; Gram aggregation and Procrustes alignment. arXiv 2602.17095."""

from dataclasses import dataclass

from strategies.method import Group, Method, Plan, Role, Tensors


@dataclass(frozen=True, kw_only=True)
class FLoRG(Method):
    """The rule itself follows with its solvers."""

    name = "florg"
    summary = ""
    plan = Plan(adapter="gram", roles={"A": Role.SHARED}, weighting="uniform")

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        raise AssertionError
