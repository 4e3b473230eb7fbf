"""A run on SQuAD as a folder: a span head on an encoder, and on decoders whose class renames its backbone."""

import pytest
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


def test_peft_says_that_the_adapter_answers_questions(tmp_path):
    run, assembly = finished(tmp_path, "bert", **{"task.name": "squad"})
    said_by_export(run)
    base = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "model")
    adapted = PeftModel.from_pretrained(base, run / "adapter")
    assert adapted.peft_config["default"].task_type == "QUESTION_ANS"
    trained = assembly.adapted.model.get_parameter("qa_outputs.weight")
    assert adapted.base_model.model.qa_outputs.modules_to_save["default"].weight.equal(trained)
