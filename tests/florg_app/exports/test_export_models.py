"""Language models and image classifiers are exported as PEFT loads them."""

import json

import pytest
import torch
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForImageClassification

from clients.generate import continuations
from florg_app.checkpoints.load_run import load_run
from florg_app.engines import inline
from florg_app.exports.export import export_run
from florg_app.reports.history import read_history
from scripts.make_tiny_vit import make
from tests.support.finished_runs import CPU, saved
from tests.support.instructions import dolly, model_folder
from tests.support.pictures import write_folders


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_language_model_becomes_a_causal_lm_adapter_that_writes_the_same(family, tmp_path):
    (tmp_path / "data").mkdir()
    dolly(tmp_path / "data")
    model = str(model_folder(tmp_path / "model", family))
    run, _ = saved(tmp_path, {"task.name": "dolly", "task.path": str(tmp_path / "data"), "model.name": model})
    export_run(run, None, False, CPU, print)
    config = json.loads((run / "adapter" / "adapter_config.json").read_text())
    assert (config["task_type"], config["modules_to_save"]) == ("CAUSAL_LM", None)
    loaded = AutoPeftModelForCausalLM.from_pretrained(run / "adapter").eval()
    ours, prompts = load_run(run, CPU).assembly.adapted.model, [torch.tensor([5, 9, 40]), torch.tensor([30, 31])]
    assert continuations(loaded.get_base_model(), prompts, 9, 0, {2}) == continuations(ours, prompts, 9, 0, {2})


def test_an_image_classifier_is_exported_with_its_head(tmp_path):
    write_folders(tmp_path / "data" / "train", 4)
    make(tmp_path / "model", 1)
    keys = {"task.name": "images", "task.path": str(tmp_path / "data"), "model.name": str(tmp_path / "model")}
    run, _ = saved(tmp_path, keys)
    export_run(run, None, False, CPU, print)
    base = AutoModelForImageClassification.from_pretrained(tmp_path / "model", num_labels=3)
    loaded = PeftModel.from_pretrained(base, run / "adapter").eval()
    pixels = torch.linspace(-1, 1, 2 * 3 * 64 * 64).reshape(2, 3, 64, 64)
    ours = load_run(run, CPU).assembly.adapted.model(pixel_values=pixels).logits
    torch.testing.assert_close(loaded(pixel_values=pixels).logits, ours, rtol=1e-4, atol=1e-4)


def test_a_federation_lowers_the_perplexity_of_a_language_model(tmp_path):
    (tmp_path / "data").mkdir()
    dolly(tmp_path / "data")
    keys = {"task.name": "dolly", "task.path": str(tmp_path / "data"), "partition.name": "iid", "partition.min-size": 2}
    sizes = {"num-server-rounds": 2, "train.epochs": 10, "train.learning-rate": 0.05, "client.threads": 1}
    model = {"model.name": str(model_folder(tmp_path / "model", "llama")), "output-dir": str(tmp_path / "run")}
    inline.run_in_process({**keys, **sizes, **model}, 2)
    first, *_, last = read_history(tmp_path / "run")
    assert last["evaluation"]["perplexity"] < 0.95 * first["evaluation"]["perplexity"]
    assert first["evaluation"].keys() == {"perplexity", "loss"}
