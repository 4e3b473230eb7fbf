"""A run begins from an adapter: exactly where its factors have a place, else from the nearest, and it says how near."""

import json
from pathlib import Path

import pytest
import torch
from flwr.app import ConfigRecord
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, BertConfig, BertForMaskedLM

from clients.seeding import scoped_seed
from florg_app.assembly import assemble
from florg_app.config.parse import ConfigError, parse_settings
from florg_app.engines import inline
from florg_app.reports.history import read_history
from strategies.exchange.wire import RefusalError, check_identity
from tests.support.finished_runs import CPU, plain_model, said_by_export, saved
from tests.support.starts import begun_run, peft_lora, plain_classifier, start_logits, start_settings


def test_peft_and_a_run_without_rounds_agree(tmp_path):
    """The whole way, with a server and clients: what peft made is what round 0 scores, and what is exported again."""
    theirs = peft_lora(tmp_path / "lora", plain_model(tmp_path / "model", "llama"))
    keys = {"strategy.name": "fedit", "num-server-rounds": 0, "output-dir": str(tmp_path / "run")}
    inline.run_in_process(start_settings(tmp_path / "model", tmp_path / "lora", **keys), 2)
    (record,) = read_history(tmp_path / "run")
    assert record["start-distance"] < 1e-7
    said_by_export(tmp_path / "run")
    ours = PeftModel.from_pretrained(plain_classifier(tmp_path / "model"), tmp_path / "run" / "adapter")
    torch.testing.assert_close(start_logits(ours), start_logits(theirs), rtol=1e-6, atol=1e-6)


def test_rows_beyond_the_adapters_rank_stay_alive(tmp_path):
    peft_lora(tmp_path / "lora", plain_model(tmp_path / "model", "llama"))
    assembly = assemble(
        parse_settings(start_settings(tmp_path / "model", tmp_path / "lora", **{"strategy.name": "fedit"})), CPU
    )
    saved = load_file(tmp_path / "lora" / "adapter_model.safetensors")
    for group in assembly.manifest.groups:
        A, B = (assembly.initial_state[group.name][symbol] for symbol in "AB")
        for place, layer in enumerate(group.layers):
            theirs = [saved[f"base_model.model.{layer}.lora_{symbol}.weight"] for symbol in "AB"]
            assert torch.equal(A[place, :2], theirs[0])
            # alpha / rank is 3 there, 16 / 3 here
            torch.testing.assert_close(B[place, :, :2] * (16 / 3), theirs[1] * 3)
        assert A[:, 2].abs().min() > 0
        assert not B[..., 2].any()


def test_a_start_in_w0_leaves_with_the_adapter(tmp_path):
    theirs = peft_lora(tmp_path / "lora", plain_model(tmp_path / "model", "llama"))
    merged = {"adapter.start-as": "merged", "adapter.targets": "q_proj", "strategy.florg.zero-start": True}
    assembly = begun_run(start_settings(tmp_path / "model", tmp_path / "lora", **merged), tmp_path / "run")
    assembly.load(assembly.initial_state, 1)
    assert assembly.start_distance is None
    torch.testing.assert_close(start_logits(assembly.adapted.model), start_logits(theirs), rtol=1e-5, atol=1e-5)
    said = said_by_export(tmp_path / "run")
    assert "on 4 layers" in said  # the two of q_proj that the run adapts, and the adapter's own two of v_proj
    parts = "3 that were trained, 3 to take away what the run began with, 2 of the adapter that was merged into W0"
    assert f"note: The adapter has rank 8, the run adapter.rank = 3: it holds {parts}." in said
    ours = PeftModel.from_pretrained(plain_classifier(tmp_path / "model"), tmp_path / "run" / "adapter")
    torch.testing.assert_close(start_logits(ours), start_logits(theirs), rtol=1e-5, atol=1e-5)


def test_florg_begins_nearest_to_an_adapter_and_says_how_near(tmp_path, caplog):
    peft_lora(tmp_path / "lora", plain_model(tmp_path / "model", "llama"))
    keys = {"num-server-rounds": 0, "output-dir": str(tmp_path / "run")}
    inline.run_in_process(start_settings(tmp_path / "model", tmp_path / "lora", **keys), 2)
    (record,) = read_history(tmp_path / "run")
    assert 0.5 < record["start-distance"] < 1
    assert f"at a distance of {record['start-distance']:.2g} of its update's norm" in caplog.text
    assert 'adapter.start-as = "merged" begins there exactly' in caplog.text


def test_weights_that_an_adapter_brings_go_on_with_the_next_one(tmp_path):
    """A pooler that masked-word training left out: drawn in the first run, brought by its adapter into the second."""
    model = plain_model(tmp_path / "model", "bert")
    with scoped_seed(2):
        BertForMaskedLM(BertConfig.from_pretrained(model)).save_pretrained(model)
    keys = {"strategy.name": "fedit", "model.name": str(model), "adapter.rank": 3}
    first, assembly = saved(tmp_path / "first", keys)
    pooler = ("bert.pooler.dense.weight", "bert.pooler.dense.bias")
    assert assembly.drawn == pooler
    said_by_export(first)
    expected = start_logits(assembly.adapted.model)
    again = begun_run(
        start_settings(model, first / "adapter", **{"strategy.name": "fedit", "seed": 9}), tmp_path / "next"
    )
    again.load(again.initial_state, 1)
    assert again.drawn == pooler
    torch.testing.assert_close(start_logits(again.adapted.model), expected, rtol=1e-5, atol=1e-5)


def test_a_head_of_other_classes_is_left_aside_and_it_is_said(tmp_path):
    model = plain_model(tmp_path / "model", "llama")
    adapted = get_peft_model(
        AutoModelForSequenceClassification.from_pretrained(model, num_labels=5, ignore_mismatched_sizes=True),
        LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["q_proj"]),
    )
    adapted.save_pretrained(str(tmp_path / "lora"))
    assembly = assemble(parse_settings(start_settings(model, tmp_path / "lora", **{"strategy.name": "fedit"})), CPU)
    assert any("its head has other outputs than the task needs" in note for note in assembly.notes)
    assert torch.equal(
        assembly.adapted.model.get_parameter("score.weight"), plain_classifier(model).get_parameter("score.weight")
    )


def test_an_adapter_beside_a_model_is_merged_and_it_is_said(tmp_path):
    model = plain_model(tmp_path / "model", "llama")
    theirs = peft_lora(model, model)
    assembly = begun_run({"model.name": str(model), "strategy.florg.zero-start": True}, tmp_path / "run")
    assembly.load(assembly.initial_state, 1)
    assert any("holds an adapter beside the model: it is merged" in note for note in assembly.notes)
    torch.testing.assert_close(start_logits(assembly.adapted.model), start_logits(theirs), rtol=1e-5, atol=1e-5)
    said = said_by_export(tmp_path / "run")
    assert "note: The folder of the model holds an adapter" in said
    merged = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "merged")
    torch.testing.assert_close(start_logits(merged), start_logits(theirs), rtol=1e-5, atol=1e-5)
    keys = {"model.name": str(tmp_path / "run" / "merged"), "strategy.florg.zero-start": True}
    begun_run(keys, tmp_path / "next")
    said_by_export(tmp_path / "next", merged=True)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "next" / "merged")
    torch.testing.assert_close(start_logits(again), start_logits(merged), rtol=1e-6, atol=1e-6)


def changed_config(folder: Path, **changes) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def pickled(folder: Path) -> None:
    torch.save({}, folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()


def renamed_layers(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    save_file({name.replace("layers.1", "layers.7"): tensor for name, tensor in load_file(path).items()}, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: changed_config(f, use_dora=True), r"use_dora = True, .*merge_and_unload"),
        (lambda f: changed_config(f, bias="all"), r"bias = 'all'"),
        (lambda f: changed_config(f, init_lora_weights="pissa"), r"init_lora_weights = 'pissa'"),
        (lambda f: changed_config(f, peft_type="LOHA"), r"no LoRA adapter but PeftType.LOHA"),
        (pickled, r"its weights are pickled \(adapter_model.bin\), which is not read; save it"),
        (lambda f: (f / "adapter_model.safetensors").write_bytes(b"PK"), r"adapter_model.safetensors is broken"),
        (lambda f: (f / "adapter_config.json").write_text("{"), r"adapter_config.json cannot be read"),
        (lambda f: (f / "adapter_config.json").unlink(), r"expected a PEFT folder with adapter_config.json"),
        (
            renamed_layers,
            r"is an adapter of another model: model.layers.1.self_attn.[qv]_proj, a layer .* is not in it",
        ),
        (lambda f: changed_config(f, target_modules=["query"]), r"peft .* cannot put it on LlamaForSequenceClass"),
    ],
)
def test_what_is_no_plain_lora_adapter_of_the_model_is_refused_by_key(change, message, tmp_path):
    peft_lora(tmp_path / "lora", plain_model(tmp_path / "model", "llama"))
    change(tmp_path / "lora")
    with pytest.raises(ValueError, match=rf'adapter\.start-from = "{tmp_path}/lora".*{message}'):
        assemble(parse_settings(start_settings(tmp_path / "model", tmp_path / "lora")), CPU)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"strategy.name": "fedit", "adapter.rank": 1}, r"factors have rank 2, adapter.rank = 1; set adapter.rank = 2"),
        (
            {"adapter.targets": "q_proj"},
            r"also adapts model.layers.0.self_attn.v_proj.*set adapter.targets = \"self_at",
        ),
        ({"strategy.name": "slora"}, r'has no place for the factors.*set adapter.start-as = "merged"'),
        ({"strategy.florg.basis": "kaiming"}, r"no factor is known to be the nearest"),
        ({"adapter.start-from": "", "adapter.start-as": "merged"}, r'adapter.start-as = "merged" is read with'),
    ],
)
def test_settings_in_which_an_adapter_has_no_place_are_refused(keys, message, tmp_path):
    peft_lora(tmp_path / "lora", plain_model(tmp_path / "model", "llama"))
    with pytest.raises(ValueError, match=message):
        _ = assemble(parse_settings(start_settings(tmp_path / "model", tmp_path / "lora", **keys)), CPU).initial_state


def test_an_adapter_is_no_model(tmp_path):
    peft_lora(tmp_path / "lora", plain_model(tmp_path / "model", "llama"))
    with pytest.raises(ValueError, match=r"lora' is a PEFT adapter, not a model; .* set adapter.start-from .*/model\)"):
        assemble(parse_settings({"model.name": str(tmp_path / "lora")}), CPU)


def test_the_server_needs_the_folder_and_clients_what_they_keep(tmp_path):
    model, absent = plain_model(tmp_path / "model", "llama"), tmp_path / "absent"
    with pytest.raises(ConfigError, match=r"no such folder on the server"):
        inline.run_in_process(start_settings(model, absent, **{"output-dir": str(tmp_path / "run")}), 2)
    assert not (tmp_path / "run").exists()
    assert assemble(parse_settings(start_settings(model, absent, **{"strategy.name": "fedit"})), CPU).start is None
    for keys, reason in (
        ({"strategy.name": "fedsa-lora"}, "keep B and the head to themselves"),
        ({"strategy.name": "local"}, "keep A and B and the head to themselves"),
        ({"adapter.start-as": "merged"}, 'since adapter.start-as = "merged" makes it a part of W0'),
    ):
        with pytest.raises(ConfigError, match=rf"every node needs it, .*{reason}.*copy it there"):
            assemble(parse_settings(start_settings(model, absent, **keys)), CPU)


def test_nodes_with_different_adapters_do_not_train_together(tmp_path):
    model = plain_model(tmp_path / "model", "llama")
    peft_lora(tmp_path / "one", model)
    peft_lora(tmp_path / "two", model, r=3)
    one, two = (
        assemble(parse_settings(start_settings(model, tmp_path / name, **{"strategy.name": "fedit"})), CPU).identity
        for name in ("one", "two")
    )
    with pytest.raises(RefusalError, match=r"start is \w+ here and \w+ on the server; .*copy the server's folder"):
        check_identity(ConfigRecord(dict(one)), two)
