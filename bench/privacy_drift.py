"""How far clients' own noise moves a model in which no client learns anything, by method and number of clients.

    python -m bench.privacy_drift [--rounds 30] [--noise 0.05] [--output FILE]

Every client returns what it received with independent N(0, noise^2) on every number, as privacy.where = "client" adds
it with noise = noise-multiplier x clip. Drift is ||dW - dW_1|| / ||dW_1|| after the rounds, of one layer whose factors
begin Gaussian with rows of norm 1. "noise left in" is FLoRG without the subtraction of rank x noise^2 from its Gram
matrix.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from strategies.method import Method
from strategies.methods.fedit import FedIT
from strategies.methods.ffa_lora import FFALoRA
from strategies.methods.florg import FLoRG
from strategies.server.combination import Combination
from strategies.state import State, Tensors

K, RANK = 96, 4
CLIENTS = (100, 1000)
CASES: dict[str, tuple[Method, bool]] = {
    "florg, noise left in": (FLoRG(), False),
    "florg": (FLoRG(), True),
    "florg, literal, noise left in": (FLoRG(solver="literal"), False),
    "florg, literal": (FLoRG(solver="literal"), True),
    "fedit": (FedIT(), True),
    "ffa-lora": (FFALoRA(), True),
}
"""By name: the method, and whether its server knows the variance of the noise."""


def first(method: Method) -> tuple[Tensors, torch.Tensor]:
    """The factors that travel, and A of those that do not need it to."""
    rng = np.random.default_rng(0)
    A, B = (torch.from_numpy(rng.normal(0, K**-0.5, shape)) for shape in ((1, RANK, K), (1, K, RANK)))
    both = {"A": A, "B": B}
    return {symbol: both[symbol] for symbol in method.plan.roles if method.plan.roles[symbol] == "shared"}, A


def update(method: Method, tensors: Tensors, A: torch.Tensor) -> torch.Tensor:
    """dW without the scale and without isometric bases, which no norm sees."""
    A = tensors.get("A", A)
    return A.mT @ A if method.plan.adapter == "gram" else tensors["B"] @ A


def drift(method: Method, told: bool, clients: int, rounds: int, noise: float) -> float:
    """||dW - dW_1|| / ||dW_1|| after these rounds of noise alone."""
    rng = np.random.default_rng(1)
    tensors, A = first(method)
    begun = update(method, tensors, A)
    for t in range(1, rounds + 1):
        sums = Combination(method, t, State({"layer": tensors}), "cpu", noise_variance=noise**2 if told else 0.0)
        for _ in range(clients):
            own = {s: value + torch.from_numpy(rng.normal(0, noise, value.shape)) for s, value in tensors.items()}
            sums.add(State({"layer": own}), 1.0)
        tensors = sums.finish()["layer"]
    return float((update(method, tensors, A) - begun).norm() / begun.norm())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--noise", type=float, default=0.05)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    table = Table("method", *(f"{clients} clients" for clients in CLIENTS), title=f"drift, k = {K}, rank {RANK}")
    rows = {
        name: [drift(method, told, clients, options.rounds, options.noise) for clients in CLIENTS]
        for name, (method, told) in CASES.items()
    }
    for name, values in rows.items():
        table.add_row(name, *(f"{value:.2f}" for value in values))
    Console().print(table)
    if options.output:
        found = {"rounds": options.rounds, "noise": options.noise, "k": K, "rank": RANK, "clients": CLIENTS}
        options.output.write_text(json.dumps({**found, "drift": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
