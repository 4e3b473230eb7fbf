"""FedIT: LoRA whose factors are averaged one by one. Zhang et al., ICASSP 2024, arXiv 2305.05644."""

import math
from dataclasses import dataclass

import torch

from strategies.method import Group, Method, Plan, Role, Tensors
from strategies.rng import generator


@dataclass(frozen=True, kw_only=True)
class FedIT(Method):
    """dW = s B A; B and A averaged separately with the clients' numbers of examples.

    Biased: mean(B) mean(A) differs from mean(B A) by the cross-covariance of the factors.
    """

    name = "fedit"
    summary = "LoRA factors averaged separately (FedIT, arXiv 2305.05644)"

    @property
    def plan(self) -> Plan:
        return Plan(adapter="lora", roles={"A": Role.SHARED, "B": Role.SHARED})

    def initial(self, group: Group, rank: int, seed: int) -> Tensors:
        """A ~ U(-1/sqrt(i), 1/sqrt(i)), B = 0, as in loralib and PEFT."""
        shape = (len(group.layers), rank, group.in_features)
        bound = 1 / math.sqrt(group.in_features)
        A = generator(seed, "initial-A", group.name).uniform(-bound, bound, shape)
        B = torch.zeros(len(group.layers), group.out_features, rank)
        return {"A": torch.from_numpy(A).float(), "B": B}
