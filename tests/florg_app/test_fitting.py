"""Limits of a model, and layers that no input passes, are found before any round, by trying rows of made-up words."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from transformers import AutoModelForImageClassification, AutoModelForMaskedLM, ViTConfig
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from clients.lookups import BeyondTableError, CheckedLookups
from clients.trial import positions
from florg_app.assembly import Assembly, assemble
from florg_app.config.parse import ConfigError, parse_settings
from tests.support.architectures import SWEPT, WORDS, Swept, swept_tokenizer
from tests.support.finished_runs import CPU
from tests.support.local_data import write

BY_FAMILY = {swept.family: swept for swept in SWEPT}


def folder_of(family: str, folder: Path, **changes: Any) -> Path:
    """The model of a family with other settings, in a folder."""
    swept = BY_FAMILY[family]
    assert not callable(swept.changes)
    return Swept(family, swept.saved_as, swept.kind, swept.tasks, {**swept.changes, **changes}).save(folder)


def texts(folder: Path, rows: list[str]) -> Path:
    folder.mkdir()
    table = {"text": rows, "label": (["neg", "pos"] * len(rows))[: len(rows)]}
    for split in ("train", "validation"):
        write(folder / f"{split}.jsonl", table)
    return folder


def assembled(model: Path, data: Path | None = None, **keys: Any) -> Assembly:
    given = {"model.name": str(model), "task.name": "text", "task.cache": "off", "task.labels": "neg,pos"}
    given |= {"task.path": str(data)} if data else {}
    return assemble(parse_settings({**given, "partition.min-size": 2, **keys}), CPU)


@pytest.mark.parametrize(
    ("family", "setting", "keeps"),
    [
        ("bert", "max_position_embeddings", 0),
        ("roberta", "max_position_embeddings", 1),
        ("mpnet", "max_position_embeddings", 2),
        ("gpt2", "n_positions", 0),
        ("opt", "max_position_embeddings", 0),
        ("bart", "max_position_embeddings", 0),
        ("gptj", "n_positions", 0),
        ("mpt", "max_seq_len", 0),
        ("canine", "num_hash_buckets", 0),
        ("llama", "max_position_embeddings", None),
        ("bloom", "seq_length", None),
    ],
)
def test_the_positions_that_can_be_used_are_found_whatever_a_family_keeps_for_itself(family, setting, keeps, tmp_path):
    """BERT has as many as it says, RoBERTa less (the padding token's number and one), rotary models take any length."""
    task = {"task.name": "instruct"} if BY_FAMILY[family].tasks == ("instruct",) else {}
    keys: dict[str, Any] = {**task, **({} if not task else {"task.labels": ""}), "task.max-length": 100}
    model = folder_of(family, tmp_path / "model", **{setting: 40})
    if keeps is None:
        assert assembled(model, **keys).data is not None
        return
    with pytest.raises(ValueError, match=rf"task.max-length = 100: this model has {40 - keeps} positions; lower"):
        assembled(model, **keys)
    fitting = assembled(model, **{**keys, "task.max-length": 40 - keeps})
    row = {"input_ids": torch.full((1, 5), 7), "attention_mask": torch.ones(1, 5, dtype=torch.long)}
    if family != "bart":  # whose rows need an end
        assert positions(fitting.adapted.model, row, 90) == 40 - keeps


def test_texts_beyond_what_a_model_was_trained_on_are_taken_and_it_is_said(tmp_path):
    assembly = assembled(folder_of("llama", tmp_path / "model", max_position_embeddings=40))
    assert any("the model takes such texts, but its configuration names 40 tokens" in note for note in assembly.notes)


def test_a_tokenizer_with_more_words_than_the_model_is_refused_before_any_row(tmp_path):
    model = folder_of("bert", tmp_path / "model")
    tokenizer = swept_tokenizer("bert")
    tokenizer.add_tokens([f"<extra{number}>" for number in range(60)])
    tokenizer.save_pretrained(model)
    with pytest.raises(
        ValueError, match=r"tokenizer has 80 tokens, up to number 79, .*embeddings of 48 .*resize_token"
    ):
        assembled(model)


def test_a_tokenizer_that_tells_no_word_from_another_is_refused(tmp_path):
    """Files of words for a family whose own tokenizer is one of bytes."""
    model = Swept("qwen2", "AutoModelForCausalLM", "plain", ("text",), {}).save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"read as Qwen2Tokenizer, makes the same token of all words"):
        assembled(model)


@pytest.mark.parametrize("role", ["pad", "eos", "unk", "cls"])
def test_a_special_token_that_the_model_does_not_have_is_refused_by_its_role(role, tmp_path):
    model = folder_of("bert", tmp_path / "model")
    tokenizer = swept_tokenizer("bert")
    tokenizer.add_tokens([f"<unused{n}>" for n in range(28)], special_tokens=True)
    tokenizer.add_special_tokens({f"{role}_token": "<new>"})
    tokenizer.save_pretrained(model)
    with pytest.raises(
        ValueError, match=rf"{role} token '<new>' is token \d+, but the model has embeddings of 48|up to"
    ):
        assembled(model)


def test_special_tokens_that_no_text_becomes_do_no_harm(tmp_path):
    """As those for images in the tokenizer of a model without an image half."""
    model = folder_of("bert", tmp_path / "model")
    tokenizer = swept_tokenizer("bert")
    tokenizer.add_tokens([f"<image{number}>" for number in range(60)], special_tokens=True)
    tokenizer.save_pretrained(model)
    data = texts(tmp_path / "data", ["good film"] * 8)
    assert len(assembled(model, data).data.client(0, 1).train) == 8


def test_token_types_that_the_model_does_not_have_are_refused(tmp_path):
    model = folder_of("bert", tmp_path / "model", type_vocab_size=1)
    with pytest.raises(ValueError, match=r"gives token types up to number 1, but the model has embeddings of 1"):
        assembled(model, **{"task.name": "text-pair"})


def test_a_stride_without_room_is_refused_before_any_row(tmp_path):
    with pytest.raises(ConfigError, match=r"task.stride = 32: beside a question"):
        assembled(folder_of("bert", tmp_path / "m"), **{"task.name": "squad", "task.labels": "", "task.max-length": 90})


def test_a_response_is_generated_where_there_are_positions_for_it(tmp_path):
    """Of rows whose prompt leaves too few, one is named before any training."""
    model = folder_of("gpt2", tmp_path / "model", n_positions=60)
    keys = {"task.name": "instruct", "task.labels": "", "task.max-length": 40, "evaluate.generate-rows": -1}
    for name, words in (("short", 2), ("long", 33)):
        folder = tmp_path / name
        folder.mkdir()
        rows = {"instruction": [" ".join([WORDS[0]] * words)] * 8, "output": ["yes"] * 8}
        for split in ("train", "validation"):
            write(folder / f"{split}.jsonl", rows)
    assert assembled(model, tmp_path / "short", **keys, **{"task.max-new-tokens": 30}).data.validation
    with pytest.raises(ConfigError, match=r"validation.jsonl: row 1: .* positions .* lower task.max-new-tokens"):
        _ = assembled(model, tmp_path / "long", **keys, **{"task.max-new-tokens": 30}).data.validation


def vision(folder: Path, size: dict[str, int], **changes: Any) -> Path:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48}
    config = ViTConfig(**{**sizes, "image_size": 16, "patch_size": 4, **changes})
    AutoModelForImageClassification.from_config(config).save_pretrained(folder)
    ViTImageProcessorPil(size=size).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("size", "changes", "message"),
    [
        ((16, 16), {"num_channels": 1}, r"takes images of 1 channel\(s\), but its image processor gives 3"),
        ((24, 24), {}, r"takes images of 16 x 16 pixels, but its image processor gives 24 x 24; correct size"),
    ],
)
def test_images_of_other_channels_or_sizes_are_refused_with_both(size, changes, message, tmp_path):
    model = vision(tmp_path / "model", {"height": size[0], "width": size[1]}, **changes)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=message):
        assembled(model, **{"task.name": "images"})


def test_look_ups_beyond_a_table_are_refused_on_any_device_before_they_are_made():
    table, far = torch.arange(12.0).view(4, 3), torch.tensor([1, 4])
    for look in (
        lambda: functional.embedding(far, table),
        lambda: nn.Embedding.from_pretrained(table)(far),
        lambda: torch.embedding(table, far),
        lambda: table.index_select(0, far),
        lambda: torch.gather(table, 0, far[:, None]),
        lambda: table[far],
        lambda: table[:, None, far],
        lambda: table[torch.tensor([-5])],
    ):
        with pytest.raises(BeyondTableError), CheckedLookups():
            look()
    with CheckedLookups() as lookups:
        near = torch.tensor([0, 3])
        assert torch.equal(functional.embedding(near, table), table[near])
        assert torch.equal(table[torch.tensor([-4, -1])], table[near])
        assert table[table > 4].numel() == 7
    assert [size for _, size in lookups.tables] == [4]


def test_the_trial_leaves_the_model_and_the_random_numbers_as_they_are(tmp_path):
    model = folder_of("bert", tmp_path / "model")
    plain = AutoModelForMaskedLM.from_pretrained(model).base_model.state_dict()
    before = torch.get_rng_state()
    ours = assembled(model).adapted.model
    assert torch.equal(torch.get_rng_state(), before)
    for name, tensor in ours.base_model.state_dict().items():
        if "pooler" not in name and "base." not in name:
            assert torch.equal(tensor, plain[name])
    assert all(parameter.grad is None for parameter in ours.parameters())


def seeing(folder: Path) -> Path:
    return BY_FAMILY["gemma3"].save(folder)


INSTRUCT = {"task.name": "instruct", "task.labels": ""}


def test_only_the_half_that_reads_texts_is_adapted_and_the_other_is_named(tmp_path):
    assembly = assembled(seeing(tmp_path / "model"), **INSTRUCT)
    layers = [layer for group in assembly.manifest.groups for layer in group.layers]
    assert len(layers) == 4
    assert all("language_model" in layer for layer in layers)
    assert any("4 layers of model.vision_tower.encoder.layers.* have such names" in note for note in assembly.notes)


def test_targets_that_no_input_passes_are_refused_by_name(tmp_path):
    with pytest.raises(
        ValueError, match=r"'vision_tower\.\*\.q_proj' matches no linear layer that the task's inputs pass"
    ):
        assembled(seeing(tmp_path / "model"), **INSTRUCT, **{"adapter.targets": "vision_tower.*.q_proj"})


def test_experts_in_one_tensor_are_named_as_not_adapted(tmp_path):
    assembly = assembled(BY_FAMILY["qwen2_moe"].save(tmp_path / "m"), **INSTRUCT, **{"strategy.name": "fedftg"})
    (note,) = (note for note in assembly.notes if "experts" in note)
    assert "mlp.experts.gate_up_proj, mlp.experts.down_proj (experts of a mixture" in note
    assert "only up_proj of these blocks is adapted" in note


def test_blocks_without_a_default_layer_are_counted(tmp_path):
    assembly = assembled(BY_FAMILY["jamba"].save(tmp_path / "m"), **INSTRUCT)
    assert (
        "adapter.targets: q_proj,v_proj are in 1 of the 2 blocks of model.layers: the others stay as is"
        in assembly.notes
    )
