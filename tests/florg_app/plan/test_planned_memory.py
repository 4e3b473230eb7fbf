"""The memory that a plan says a client and a server need is what their processes grow by, within 25 %."""

import json
import os
import subprocess
import sys

import pytest

from florg_app.config.parse import default_settings
from florg_app.plan.run_plan import plan_run
from florg_app.plan.workload import Described

BAND = 0.25

CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "vocab_size": 500,
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
}

SETTINGS = {"task.name": "tiny", "train.batch-size": 24, "train.max-steps": 2, "server.diagnostics": False}

GROWTH = """
import json, sys
import torch
from clients.adapted_model import AdaptedModel
from clients.batches import token_lengths
from clients.device import ResettablePeak
from clients.targets import find_targets, group_layers
from clients.trainer import local_train
from florg_app.config.parse import parse_settings
from florg_app.config.round_options import train_options
from florg_app.pretrained import outline_model
from florg_app.tasks.registry import make_task
from strategies.manifest import Manifest
from strategies.plan import HELD
from strategies.server.combination import Combination
from strategies.state import State
from transformers import AutoConfig, AutoModelForSequenceClassification

torch.set_num_threads(1)
settings = parse_settings(json.loads(sys.argv[1]))
config = AutoConfig.from_pretrained(settings.model.name, num_labels=2)
method, rank = settings.method, settings.adapter.rank
meter = ResettablePeak(torch.device("cpu"))

def grown(work):
    '''By how much the process exceeded its size before this work'''
    meter.reset()
    before = meter.read()
    work()
    return meter.read() - before

def build():
    global adapted, groups
    model = AutoModelForSequenceClassification.from_config(config)
    groups = group_layers(find_targets(model, (), method.plan.targets))
    adapted = AdaptedModel(model, method.plan, groups, rank, 4.0)
    adapted.fix({g.name: method.fixed(g, rank, 1, adapted.weights) for g in groups})

def step(count=24, tokens=100):
    rows = [{"input_ids": torch.ones(tokens, dtype=torch.long)}] * count
    def collate(examples):
        ids = torch.stack([example["input_ids"] for example in examples])
        return {"input_ids": ids, "attention_mask": ids, "labels": torch.zeros(len(ids), dtype=torch.long)}
    local_train(adapted, rows, train_options(settings, 1), collate=collate,
                loss_fn=lambda model, batch: model(**batch).loss, seed=1)

def combine(clients=5):
    state = State({g.name: method.initial(g, rank, 1) for g in groups}).map(lambda tensor: torch.rand(tensor.shape))
    combination = Combination(method, 1, state, "cpu")
    for _ in range(clients):
        combination.add(state.map(lambda tensor: torch.rand(tensor.shape)), 1.0)
    combination.finish()

of_model = grown(build)
step(2, 5)  # libraries load parts of themselves at their first use
combine(1)
print(json.dumps([of_model + grown(step), grown(combine)]))
"""


def measured(settings: dict) -> list[int]:
    words = [sys.executable, "-c", GROWTH, json.dumps(settings)]
    # Memory goes back to the system as soon as it is free, so that the process holds what its tensors hold.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process can be set back on Linux alone")
@pytest.mark.parametrize("name", ["florg", "fedavg"])
def test_memory_is_within_the_band(name, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    settings = SETTINGS | {"model.name": str(tmp_path), "strategy.name": name}
    (plan,) = plan_run(default_settings() | settings, [name], 5, 1, Described(100, 24)).plans
    client, server = measured(settings)
    assert plan.client_memory.total == pytest.approx(client, rel=BAND)
    if name == "fedavg":  # FLoRG's tensors are too few to be seen in a process
        assert plan.server_memory.state + plan.server_memory.aggregation == pytest.approx(server, rel=BAND)
