"""A checkpoint is complete or absent, and comes back bit for bit."""

import os

import pytest
import torch
from safetensors.torch import save_file

from clients import atomic_files
from florg_app.checkpoints import checkpoint_file
from florg_app.checkpoints.checkpoint_file import FORMAT, FORMAT_KEY
from strategies.state import State


def state():
    generator = torch.Generator().manual_seed(1)
    tensors = {
        "6x5": {"B": torch.randn(3, 6, 2, generator=generator), "A": torch.randn(3, 2, 5, generator=generator)},
        "head": {"classifier.weight": torch.randn(2, 6, generator=generator, dtype=torch.float64)},
        "5x5": {"A": torch.randn(1, 2, 5, generator=generator).to(torch.bfloat16)},
    }
    return State(tensors)


def test_a_state_comes_back_bit_for_bit_in_its_order_with_its_metadata(tmp_path):
    path = tmp_path / "round-3.safetensors"
    checkpoint_file.save_checkpoint(path, state(), {"round": "3", "seed": "1"})
    loaded, metadata = checkpoint_file.load_checkpoint(path)
    assert metadata == {FORMAT_KEY: FORMAT, "round": "3", "seed": "1"}
    assert [(g, list(s)) for g, s in loaded.items()] == [(g, list(s)) for g, s in state().items()]
    for group, symbols in state().items():
        for symbol, tensor in symbols.items():
            assert loaded[group][symbol].dtype == tensor.dtype
            assert torch.equal(loaded[group][symbol], tensor)


def test_views_of_one_storage_and_transposes_can_be_saved(tmp_path):
    whole = torch.arange(60.0).reshape(2, 6, 5)
    saved = State({"6x5": {"A": whole[0], "B": whole[0].mT, "C": whole[:1].expand(3, 6, 5)}})
    checkpoint_file.save_checkpoint(tmp_path / "c.safetensors", saved, {})
    loaded, _ = checkpoint_file.load_checkpoint(tmp_path / "c.safetensors")
    assert all(torch.equal(loaded["6x5"][symbol], saved["6x5"][symbol]) for symbol in "ABC")


def test_a_crash_before_the_rename_leaves_the_previous_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "latest.safetensors"
    checkpoint_file.save_checkpoint(path, state(), {"round": "1"})
    before = path.read_bytes()

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic_files.os, "replace", crash)
    with pytest.raises(KeyboardInterrupt):
        checkpoint_file.save_checkpoint(path, state(), {"round": "2"})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["latest.safetensors"]


def test_a_temporary_file_left_by_a_killed_process_does_not_stop_the_next_save(tmp_path):
    path = tmp_path / "latest.safetensors"
    (tmp_path / ".latest.safetensors.partial").write_bytes(b"half a check")
    checkpoint_file.save_checkpoint(path, state(), {"round": "2"})
    assert checkpoint_file.load_checkpoint(path)[1]["round"] == "2"
    assert os.listdir(tmp_path) == ["latest.safetensors"]


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_checkpoint_is_refused_by_name(tmp_path, keep):
    path = tmp_path / "half.safetensors"
    checkpoint_file.save_checkpoint(path, state(), {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"half\.safetensors cannot be used: it is truncated"):
        checkpoint_file.load_checkpoint(path)


def test_a_foreign_safetensors_file_is_refused_by_name(tmp_path):
    save_file({"weight": torch.zeros(2, 3)}, tmp_path / "adapter.safetensors")
    with pytest.raises(ValueError, match=r"adapter\.safetensors is no checkpoint of this application"):
        checkpoint_file.load_checkpoint(tmp_path / "adapter.safetensors")


def test_an_absent_checkpoint_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        checkpoint_file.load_checkpoint(tmp_path / "nowhere.safetensors")
