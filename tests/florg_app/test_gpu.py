"""On a CUDA device: the linear algebra, the solvers and one round give what the CPU gives."""

import json

import pytest
import torch

from clients.adapted_model import AdaptedModel
from clients.backbone import load_model
from clients.device import ResettablePeak
from clients.linear import stored_weight
from clients.targets import find_head, find_targets, group_layers
from clients.train_settings import TrainOptions
from clients.trainer import local_train
from florg_app.engines import inline
from strategies import METHODS
from strategies.methods.florg import FLoRG
from strategies.rng import generator
from strategies.server.combination import aggregate
from strategies.server.cost_meter import SERVER_FLOPS, SERVER_PEAK, CostMeter
from strategies.state import Group
from tests.support.tiny_models import classifier, loss_fn, pad, random_state, tiny_features, tiny_model

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here"),
]

GROUP = Group(40, 28, ("a", "b", "c"))


def uploads_of(method, count: int, seed: int = 0):
    state = method.initial(GROUP, 4, 1)
    rng = generator(seed, "gpu-test")
    moved = [
        {s: v + 0.1 * torch.from_numpy(rng.standard_normal(v.shape)).float() for s, v in state.items()}
        for _ in range(count)
    ]
    return state, moved


def on(device: str, tensors):
    return {symbol: tensor.to(device) for symbol, tensor in tensors.items()}


CASES = [FLoRG(solver=solver) for solver in ("closed-form", "literal", "truncate")] + [
    method() for name, method in METHODS.items() if name != "florg"
]


@pytest.mark.parametrize("method", CASES, ids=str)
def test_a_server_step_on_the_gpu_is_the_one_on_the_cpu(method):
    state, uploads = uploads_of(method, 5)
    w = [1.0, 2.0, 0.5, 1.5, 1.0]
    expected = aggregate(method, 2, state, uploads, w)
    got = aggregate(method, 2, on("cuda", state), [on("cuda", upload) for upload in uploads], w)
    for symbol, tensor in expected.items():
        assert got[symbol].device.type == "cuda"
        torch.testing.assert_close(got[symbol].cpu(), tensor, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_with_clients_and_server_on_the_gpu_learns(precision, tmp_path):
    settings = {
        "num-server-rounds": 3,
        "server.device": "cuda",
        "client.device": "cuda",
        "train.precision": precision,
        "output-dir": str(tmp_path / "run"),
    }
    inline.run_in_process(settings, 4)
    records = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert records[-1]["train"]["loss"] < records[1]["train"]["loss"]
    assert records[-1]["train"]["peak-memory-bytes"] > 0


def test_the_servers_peak_is_what_torch_held_on_the_device_and_products_are_counted():
    size, peaks = 2**26, []
    for numbers in (4, size // 4):
        with (measured := CostMeter(ResettablePeak(torch.device("cuda:0")))).phase():
            a = torch.ones(numbers, device="cuda:0").view(2, -1)
            a @ a.mT
        peaks.append(measured.as_dict()[SERVER_PEAK])
        assert measured.as_dict()[SERVER_FLOPS] == 2 * 2 * numbers
        del a
    assert size - 2**10 <= peaks[1] - peaks[0] < 1.2 * size


@pytest.mark.parametrize("kind", ["8bit", "4bit"])
@pytest.mark.parametrize("family", ["bert", "gpt2", "llama"])
def test_a_quantised_backbone_is_adapted_and_learns(kind, family, tmp_path):
    pytest.importorskip("bitsandbytes")
    tiny_model(family).base_model.save_pretrained(tmp_path)
    model = load_model(str(tmp_path), classifier(3), "bfloat16", 1, False, kind, torch.device("cuda:0")).model
    targets = find_targets(model)
    assert all(stored_weight(layer) is None for layer in targets.values())
    assert {parameter.dtype for parameter in find_head(model).values()} == {torch.float32}
    groups, settings = group_layers(targets), TrainOptions(learning_rate=0.02, epochs=20, batch_size=12)
    with AdaptedModel(model, FLoRG().plan, groups, 3, 1.5) as adapted:
        adapted.fix({group.name: FLoRG().fixed(group, 3, 1, adapted.weights) for group in groups})
        adapted.fill(random_state(adapted, 1))
        report = local_train(adapted, tiny_features(12), settings, collate=pad, loss_fn=loss_fn, seed=1)
        assert report.loss_last < 0.9 * report.loss_first
        with pytest.raises(ValueError, match="is quantised"), adapted.merged():
            pass
