"""A sealed file comes back as it was written, or says that it is damaged: no bit of it may change unseen."""

import json
import os

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from clients import sealed_tensors
from clients.sealed_tensors import DamagedError, load_sealed, read_sealed_texts, save_sealed

TEXTS = {"round": "3", "who": "Klinik Süd\u2028"}


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "6x5/B": torch.randn(3, 6, 2, generator=generator),
        "head": torch.randn(9, generator=generator, dtype=torch.float64),
        "half": torch.randn(1, 2, 5, generator=generator).to(torch.bfloat16),
        "count": torch.tensor(7),
        "none": torch.zeros(0, 4),
    }


@pytest.fixture
def file(tmp_path):
    save_sealed(tmp_path / "file.safetensors", tensors(), TEXTS)
    return tmp_path / "file.safetensors"


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(
        one[key].dtype == other[key].dtype and torch.equal(one[key], other[key]) for key in one
    )


def test_tensors_and_texts_come_back_with_the_word_that_they_are_sealed(file):
    loaded, texts, sealed = load_sealed(file)
    assert same(loaded, tensors())
    assert texts == TEXTS
    assert sealed
    assert read_sealed_texts(file) == (TEXTS, True)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_bit_of_a_file_can_change_unseen(file, data):
    original = file.read_bytes()
    position = data.draw(st.integers(0, 8 * len(original) - 1))
    changed = bytearray(original)
    changed[position // 8] ^= 1 << position % 8
    try:
        file.write_bytes(changed)
        with pytest.raises(DamagedError):
            load_sealed(file)
    finally:
        file.write_bytes(original)


@pytest.mark.parametrize("change", ["value", "name", "dtype", "shape", "text", "missing text", "further text"])
def test_a_change_that_safetensors_itself_accepts_is_seen(change, file, monkeypatch):
    """Written again with the seals of the first time."""
    changed, texts = tensors(), dict(TEXTS)
    if change == "value":
        changed["6x5/B"][2, 5, 1] = 0
    elif change == "name":
        changed["5x6/B"] = changed.pop("6x5/B")
    elif change == "dtype":
        changed["6x5/B"] = changed["6x5/B"].view(torch.int32)
    elif change == "shape":
        changed["6x5/B"] = changed["6x5/B"].reshape(2, 6, 3)
    elif change == "text":
        texts["round"] = "4"
    elif change == "missing text":
        del texts["who"]
    else:
        texts["further"] = ""
    save_file(changed, file, {**texts, **seals(file)})
    with pytest.raises(DamagedError, match="another SHA-256"):
        load_sealed(file)


def seals(file) -> dict[str, str]:
    header = json.loads(file.read_bytes()[8 : 8 + int.from_bytes(file.read_bytes()[:8], "little")])
    return {name: value for name, value in header["__metadata__"].items() if name.startswith("florg.")}


def test_texts_can_be_trusted_where_the_tensors_are_damaged(file):
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    assert read_sealed_texts(file) == (TEXTS, True)


@pytest.mark.parametrize("lost", [sealed_tensors.TEXTS_SEAL, sealed_tensors.TENSORS_SEAL])
def test_a_file_that_has_lost_one_of_its_seals_is_damaged(file, lost):
    kept = {name: value for name, value in seals(file).items() if name != lost}
    save_file(tensors(), file, {**TEXTS, **kept})
    with pytest.raises(DamagedError):
        load_sealed(file)


def test_a_file_without_any_seal_is_read_and_said_to_have_none(file):
    save_file(tensors(), file, TEXTS)
    assert load_sealed(file)[1:] == (TEXTS, False)
    assert read_sealed_texts(file) == (TEXTS, False)


def test_a_header_longer_than_any_of_ours_is_refused_before_it_is_read(file):
    file.write_bytes((10**15).to_bytes(8, "little") + b" " * 100)
    with pytest.raises(DamagedError, match="header of 1000000000000000 bytes is too long"):
        load_sealed(file)


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop", "dangling", "empty", "foreign text", "nothing"])
def test_what_is_no_file_of_ours_is_refused_at_once(file, kind):
    file.unlink()
    make = {
        "folder": file.mkdir,
        "pipe": lambda: os.mkfifo(file),
        "loop": lambda: file.symlink_to(file),
        "dangling": lambda: file.symlink_to(file.with_name("nowhere")),
        "empty": file.touch,
        "foreign text": lambda: file.write_text("{}" * 50),
        "nothing": lambda: None,
    }
    make[kind]()
    with pytest.raises(DamagedError):
        load_sealed(file)


def test_headers_that_are_no_text_or_nested_without_end_are_refused(file):
    for header in (b'{"\xff\xfe": 1}', b'{"__metadata__": {"a": "\\ud800"}}', b'{"a":' * 5000 + b"1" + b"}" * 5000):
        file.write_bytes(len(header).to_bytes(8, "little") + header)
        with pytest.raises(DamagedError):
            load_sealed(file)


def test_bytes_behind_the_end_are_seen(file):
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(DamagedError):
        load_sealed(file)


def test_a_plain_safetensors_program_reads_a_sealed_file(file):
    from safetensors.torch import load

    assert same(load(file.read_bytes()), tensors())
    assert len(save(tensors())) < file.stat().st_size < len(save(tensors())) + 500
