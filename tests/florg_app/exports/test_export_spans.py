"""A run on SQuAD as a folder: a span head on an encoder, and on decoders whose class renames its backbone."""

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForQuestionAnswering

from tests.support.finished_runs import finished, said_by_export


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("family", ["bert", "llama", "opt"])
def test_a_span_model_is_exported_and_checked(family, merged, tmp_path):
    run, _ = finished(tmp_path, family, **{"task.name": "squad"})
    said = said_by_export(run, merged=merged)
    assert "checked: reloaded" in said
    assert "AutoModelForQuestionAnswering.from_pretrained" in said
    assert ("key_mapping" in said) == (family == "llama" and not merged)
    card = (run / ("merged" if merged else "adapter") / "README.md").read_text()
    assert "pipeline_tag: question-answering" in card
    assert "Classes:" not in card


def test_peft_loads_the_span_head_and_passes_token_types_on(tmp_path):
    run, assembly = finished(tmp_path, "bert", **{"task.name": "squad"})
    said_by_export(run)
    base = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "model")
    adapted = PeftModel.from_pretrained(base, run / "adapter")
    assert adapted.peft_config["default"].task_type is None
    trained = assembly.adapted.model.get_parameter("qa_outputs.weight")
    assert adapted.base_model.model.qa_outputs.modules_to_save["default"].weight.equal(trained)
    batch = assembly.preprocessor("a red dog runs", "a dog runs in a park", return_tensors="pt")
    answers = [model.eval()(**batch).start_logits for model in (adapted, assembly.adapted.model)]
    torch.testing.assert_close(*answers, rtol=1e-5, atol=1e-5)
    without = {name: tensor for name, tensor in batch.items() if name != "token_type_ids"}
    assert (adapted(**without).start_logits - answers[0]).abs().max() > 1e-3
