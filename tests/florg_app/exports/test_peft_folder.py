"""The factors and the configuration that peft writes."""

import pytest
import torch

from clients.architectures import ARCHITECTURES
from florg_app.checkpoints.load_run import load_run
from florg_app.exports.peft_folder import adapter_tensors, layer_factors, lora_config
from strategies.bases.basis import Basis
from tests.support.finished_runs import CPU, METHOD_SETTINGS, finished


@pytest.mark.parametrize("method", METHOD_SETTINGS)
def test_the_factors_of_a_layer_multiply_to_its_update(method, tmp_path):
    run, assembly = finished(tmp_path, "llama", **METHOD_SETTINGS[method])
    state, manifest = load_run(run, CPU).state, assembly.manifest
    factors = layer_factors(manifest, state, assembly.fixed)
    for group in manifest.groups:
        fixed, symbols = assembly.fixed[group.name], state[group.name]
        for index, name in enumerate(group.layers):
            if manifest.plan.adapter.startswith("core"):
                B, A = (fixed[symbol][index].double() for symbol in "BA")
                core = symbols["R"] if "R" in symbols else symbols["H"]
                dW = B @ torch.block_diag(*core[index].double().reshape(-1, manifest.rank, manifest.rank)) @ A
            elif "B" in symbols:
                A = symbols["A"][index].double()
                dW = symbols["B"][index].double() @ A
                if "B0" in fixed:
                    dW -= fixed["B0"][index].double() @ fixed["A0"][index].double() / manifest.scale
                if "U" in symbols:
                    dW += symbols["U"][index].double() @ symbols["V"][index].double()
            else:
                A = symbols["A"][index].double()
                L, R = (basis.dense().double() for s in "LR" if isinstance(basis := fixed[s], Basis))
                A1 = fixed["A1"][index].double() if "A1" in fixed else torch.zeros_like(A)
                dW = L.mT @ (A.mT @ A - A1.mT @ A1) @ R
            B_up, A_down = factors[name]
            assert B_up.dtype == A_down.dtype == torch.float32
            torch.testing.assert_close((B_up @ A_down).double(), manifest.scale * dW, rtol=1e-4, atol=1e-5)


def test_layers_of_other_ranks_have_patterns_and_the_scale_is_1_everywhere():
    factors = {f"layers.{n}.q": (torch.ones(6, rank), torch.ones(rank, 5)) for n, rank in enumerate((2, 4, 2))}
    whole = {"classifier": {"weight": torch.ones(2, 6)}, "pre_classifier": {"weight": torch.ones(6, 6)}}
    config = lora_config(factors, whole, transposed=False, kind=ARCHITECTURES["sequence-classification"])
    assert (config.r, config.lora_alpha) == (2, 2)
    assert config.rank_pattern == config.alpha_pattern == {"layers.1.q": 4}
    assert config.modules_to_save == ["pre_classifier"]
    tensors = adapter_tensors(factors, whole)
    assert tensors["base_model.model.layers.1.q.lora_B.weight"].shape == (6, 4)
    assert tensors["base_model.model.layers.1.q.lora_A.weight"].shape == (4, 5)
    assert "base_model.model.pre_classifier.weight" in tensors
