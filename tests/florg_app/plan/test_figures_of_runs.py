"""What a plan says is what a run measures: bytes to the byte, operations within 1 %."""

import pytest

from florg_app import api
from florg_app.config.parse import default_settings
from florg_app.plan.run_plan import plan_run
from florg_app.plan.workload import Described
from strategies import METHODS
from strategies.exchange.metrics import dashed

SMALL = {
    "num-server-rounds": 2,
    "task.max-train-rows": 120,
    "task.max-validation-rows": 20,
    "train.max-steps": 3,
    "evaluate.every": 0,
    "client.threads": 1,
    "measure.costs": True,
}
CLIENTS = 3

CASES = {name: {"strategy.name": name} for name in METHODS} | {
    "clients of their own ranks": {"strategy.name": "flexlora", "adapter.client-ranks": "4,2"},
    "pushed factors that grow": {"strategy.name": "fedex-lora", "strategy.fedex-lora.residual": "factored"},
    "stacks that grow": {"strategy.name": "flora", "strategy.flora.base": "factored", "num-server-rounds": 3},
    "a stage that ends": {"strategy.name": "slora", "strategy.slora.rounds": 1},
    "tensors that travel once, and a round 0": {"strategy.name": "florg", "strategy.florg.basis": "gradient"},
    "a share of the clients": {"fraction-train": 0.4, "num-server-rounds": 4},
    "summands": {"strategy.upload": "summand"},
    "parts of batches": {"train.micro-batch-size": 5, "train.gradient-checkpointing": True, "train.max-steps": 2},
    "whole epochs": {"strategy.name": "fedit", "train.max-steps": -1, "train.group-by-length": True},
    "a projector in every step": {"strategy.name": "fedftg", "strategy.fedftg.gap": 1},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_a_run_sends_what_was_planned_and_computes_as_much(changes, tmp_path):
    settings = SMALL | changes
    name = settings.get("strategy.name", "florg")
    (plan,) = plan_run(default_settings() | settings, [name], CLIENTS, None, Described()).plans
    if plan.sizes_depend_on_values:
        assert name == "florist"  # whose width is that of the singular values it keeps
        return
    result = api.run(settings, clients=CLIENTS, output=tmp_path / "run", quiet=True)
    sent = [record for record in result.history if record["sampled"]]
    assert [(t, dashed(down), dashed(up)) for t, down, up in plan.rounds] == [
        (record["round"], record["down"], record["up"]) for record in sent
    ]
    communication = result.summary["communication"]
    assert [dashed(plan.down), dashed(plan.up)] == [communication["down"], communication["up"]]
    measured = [client["flops"] for record in sent for client in record["clients"].values() if "flops" in client]
    assert plan.client_flops == pytest.approx(sum(measured) / len(measured), rel=0.01)
    of_server = [record["server-flops"] for record in sent if record["round"] > 0]
    assert plan.server_flops == pytest.approx(sum(of_server) / len(of_server), rel=0.01)
