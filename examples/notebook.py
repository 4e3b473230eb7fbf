"""Run FLoRG and a baseline from Python, compare their histories, and take up the adapter.

    python examples/notebook.py

Every cell below could be one of a notebook. The embedded task needs no download.
"""

# %% Two short runs that differ in one key.
import sys
import tempfile
from pathlib import Path

import torch

from florg_app.api import RunResult, load_adapter, run

SETTINGS = {"num-server-rounds": 3, "train.max-steps": 30}
FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="florg-"))


def finished(method: str) -> RunResult:
    """Run one method with the settings above."""
    return run(SETTINGS | {"strategy.name": method}, clients=4, output=FOLDER / method, quiet=True)


# %% Their scores, and what they sent.
if __name__ == "__main__":
    results = {method: finished(method) for method in ("florg", "fedit")}
    for method, result in results.items():
        scores = ", ".join(f"{score:.3f}" for score in result.scores("accuracy").values())
        sent = sum(record["up"]["wire-bytes"] + record["down"]["wire-bytes"] for record in result.history[1:])
        print(f"{method}: accuracy {scores}; {sent / 1e6:.2f} MB")

    # %% The adapter: a model that is ready for a forward pass, and the factors of dW = B A of each layer.
    adapter = load_adapter(results["florg"].folder)
    name, (B, A) = next(iter(adapter.factors.items()))
    spectrum = [round(float(value), 4) for value in torch.linalg.svdvals(B @ A)[: A.shape[0]]]
    print(f"{name}: B {tuple(B.shape)}, A {tuple(A.shape)}, singular values of dW {spectrum}")
