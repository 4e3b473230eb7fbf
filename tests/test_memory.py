"""A client's memory: rounds and restarts survived, everything of others discarded with a reason."""

import pytest
import torch
from flwr.app import RecordDict

from clients.memory import Memory, memory_file
from strategies.manifest import flatten

SHAPES = {"6x5/B": (3, 6, 2), "4x7/B": (1, 4, 2), "head/values": (9,)}
OWN = {"run": "r", "manifest": "m", "partition-id": "1"}


def tensors(seed: int = 0) -> dict:
    rng = torch.Generator().manual_seed(seed)
    state: dict = {}
    for key, shape in SHAPES.items():
        group, symbol = key.split("/")
        state.setdefault(group, {})[symbol] = torch.randn(shape, generator=rng)
    return state


def same(one, other) -> bool:
    first, second = flatten(one), flatten(other)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.fixture
def reasons(caplog):
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_fresh_client_remembers_nothing(reasons):
    assert Memory(RecordDict(), SHAPES, OWN).recall() is None
    assert not reasons()


def test_what_was_remembered_last_is_recalled_bit_for_bit():
    records = RecordDict()
    for seed in (1, 2):
        Memory(records, SHAPES, OWN).remember(tensors(seed))
    assert same(Memory(records, SHAPES, OWN).recall(), tensors(2))


def test_clients_with_contexts_of_their_own_do_not_see_each_other():
    one, other = RecordDict(), RecordDict()
    Memory(one, SHAPES, OWN).remember(tensors())
    assert Memory(other, SHAPES, {**OWN, "partition-id": "2"}).recall() is None


@pytest.mark.parametrize("part", OWN)
def test_what_belongs_to_another_run_manifest_or_partition_is_discarded_with_the_reason(part, tmp_path, reasons):
    records, file = RecordDict(), memory_file(tmp_path, "clinic")
    Memory(records, SHAPES, OWN, file).remember(tensors())
    assert Memory(records, SHAPES, {**OWN, part: "other"}, file).recall() is None
    in_context, on_disk = reasons()
    assert f"belongs to {part} {OWN[part]}, this is {part} other" in in_context
    assert str(file) in on_disk


def test_tensors_of_other_shapes_are_discarded_with_the_reason(reasons):
    records = RecordDict()
    Memory(records, SHAPES, OWN).remember(tensors())
    assert Memory(records, {**SHAPES, "6x5/B": (3, 6, 4)}, OWN).recall() is None
    assert "'6x5/B' is (3, 6, 2), expected (3, 6, 4)" in reasons()[0]


def test_a_method_that_keeps_nothing_leaves_no_trace(tmp_path):
    records, file = RecordDict(), memory_file(tmp_path, "clinic")
    memory = Memory(records, {}, OWN, file)
    memory.remember({})
    assert memory.recall() is None
    assert not records
    assert not file.exists()


def test_a_restarted_client_recalls_from_disk(tmp_path):
    file = memory_file(tmp_path / "made" / "here", "clinic")
    Memory(RecordDict(), SHAPES, OWN, file).remember(tensors())
    assert same(Memory(RecordDict(), SHAPES, OWN, file).recall(), tensors())


def test_the_disk_is_not_asked_while_the_context_remembers(tmp_path):
    records, file = RecordDict(), memory_file(tmp_path, "clinic")
    Memory(records, SHAPES, OWN, file).remember(tensors(1))
    Memory(RecordDict(), SHAPES, OWN, file).remember(tensors(2))
    assert same(Memory(records, SHAPES, OWN, file).recall(), tensors(1))


@pytest.mark.parametrize("damage", [lambda data: data[:-7], lambda data: data[:5], lambda _: b"", lambda _: b"x" * 99])
def test_a_truncated_or_foreign_file_is_discarded_with_the_reason(damage, tmp_path, reasons):
    file = memory_file(tmp_path, "clinic")
    Memory(RecordDict(), SHAPES, OWN, file).remember(tensors())
    file.write_bytes(damage(file.read_bytes()))
    assert Memory(RecordDict(), SHAPES, OWN, file).recall() is None
    (reason,) = reasons()
    assert str(file) in reason
    assert "cannot be read" in reason


def test_numbers_that_are_not_finite_are_never_recalled(reasons):
    records, state = RecordDict(), tensors()
    state["head"]["values"][3] = float("nan")
    Memory(records, SHAPES, OWN).remember(state)
    assert Memory(records, SHAPES, OWN).recall() is None
    assert "'head/values' has 1 NaN" in reasons()[0]


def test_a_disk_that_fails_leaves_both_memories_as_they_were(tmp_path, monkeypatch):
    records, file = RecordDict(), memory_file(tmp_path, "clinic")
    memory = Memory(records, SHAPES, OWN, file)
    memory.remember(tensors(1))
    monkeypatch.setattr("clients.files.os.replace", _fail)
    with pytest.raises(OSError, match="no space"):
        memory.remember(tensors(2))
    assert same(memory.recall(), tensors(1))
    assert same(Memory(RecordDict(), SHAPES, OWN, file).recall(), tensors(1))
    assert [path.name for path in tmp_path.iterdir()] == ["clinic.safetensors"]


def _fail(*_):
    raise OSError("no space left")


def test_no_two_names_share_a_file(tmp_path):
    names = ["a", "a/b", "a%2Fb", "..", "../a", "Klinik Süd"]
    files = {memory_file(tmp_path, name) for name in names}
    assert len(files) == len(names)
    assert {file.parent for file in files} == {tmp_path}
