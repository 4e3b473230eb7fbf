"""A client's memory: rounds and restarts survived, everything of others discarded with a reason."""

import pytest
import torch
from flwr.app import RecordDict
from safetensors.torch import save_file

from clients.memory import TENSORS, ClientStore, store_file
from clients.sealed_tensors import load_sealed
from strategies.exchange.lineage import Attempt, Lineage
from strategies.exchange.wire import RefusalError
from strategies.state import State
from tests.support.moments import FIRST, at

SHAPES = {"6x5/B": (3, 6, 2), "4x7/B": (1, 4, 2), "head/values": (9,)}
OWN = {"run": "r", "manifest": "m", "partition-id": "1"}


def resumed(after: int, oldest: int) -> Lineage:
    """The first attempt's run, gone on with from the checkpoint of a round."""
    return Lineage("r", (Attempt("a"), Attempt("b", after)), oldest)


def memory(records, t=9, shapes=SHAPES, owner=OWN, file=None, lineage=FIRST) -> ClientStore:
    return ClientStore(records, shapes, owner, at(t, lineage), file)


def tensors(seed: int = 0) -> State:
    rng = torch.Generator().manual_seed(seed)
    return State.from_flat({key: torch.randn(shape, generator=rng) for key, shape in SHAPES.items()})


def same(one, other) -> bool:
    first, second = one.flat, other.flat
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.fixture
def reasons(caplog):
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_fresh_client_remembers_nothing(reasons):
    assert memory(RecordDict()).load() is None
    assert not reasons()


def test_what_was_remembered_last_is_recalled_bit_for_bit():
    records = RecordDict()
    for seed in (1, 2):
        memory(records, t=seed).save(tensors(seed))
    assert same(memory(records).load(), tensors(2))


def test_clients_with_contexts_of_their_own_do_not_see_each_other():
    one, other = RecordDict(), RecordDict()
    memory(one, t=1).save(tensors())
    assert memory(other, owner={**OWN, "partition-id": "2"}).load() is None


@pytest.mark.parametrize("part", OWN)
def test_what_belongs_to_another_run_manifest_or_partition_is_discarded_with_the_reason(part, tmp_path, reasons):
    records, file = RecordDict(), store_file(tmp_path, "clinic")
    memory(records, file=file, t=1).save(tensors())
    assert memory(records, owner={**OWN, part: "other"}, file=file).load() is None
    in_context, on_disk = reasons()
    assert f"belongs to {part} {OWN[part]}, this is {part} other" in in_context
    assert str(file) in on_disk


def test_tensors_of_other_shapes_are_discarded_with_the_reason(reasons):
    records = RecordDict()
    memory(records, t=1).save(tensors())
    assert memory(records, shapes={**SHAPES, "6x5/B": (3, 6, 4)}).load() is None
    assert "'6x5/B' is (3, 6, 2), expected (3, 6, 4)" in reasons()[0]


def test_a_method_that_keeps_nothing_leaves_no_trace(tmp_path):
    records, file = RecordDict(), store_file(tmp_path, "clinic")
    nothing = memory(records, shapes={}, file=file)
    nothing.save(State())
    assert nothing.load() is None
    assert not records
    assert not file.exists()


def test_a_restarted_client_recalls_from_disk(tmp_path):
    file = store_file(tmp_path / "made" / "here", "clinic")
    memory(RecordDict(), file=file, t=1).save(tensors())
    assert same(memory(RecordDict(), file=file).load(), tensors())


def test_the_disk_is_not_asked_while_the_context_remembers(tmp_path):
    records, file = RecordDict(), store_file(tmp_path, "clinic")
    memory(records, file=file, t=1).save(tensors(1))
    memory(RecordDict(), file=file, t=2).save(tensors(2))
    assert same(memory(records, file=file).load(), tensors(1))


def flipped(data: bytes) -> bytes:
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


DAMAGE = [lambda data: data[:-7], lambda data: data[:5], lambda _: b"", lambda _: b"x" * 99, flipped]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_client_whose_file_is_damaged_refuses_instead_of_beginning_anew(damage, tmp_path, reasons):
    file = store_file(tmp_path, "clinic")
    memory(RecordDict(), file=file, t=1).save(tensors())
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(RefusalError, match=r"keeps in clinic\.safetensors is damaged: .*; restore the file, or remove"):
        memory(RecordDict(), file=file).load()
    assert str(file) in reasons()[0]
    file.unlink()
    assert memory(RecordDict(), file=file).load() is None


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_that_an_earlier_run_left_is_discarded_in_round_1(damage, tmp_path, reasons):
    file = store_file(tmp_path, "clinic")
    memory(RecordDict(), file=file, t=1).save(tensors())
    file.write_bytes(damage(file.read_bytes()))
    client = memory(RecordDict(), file=file, t=1)
    assert client.load() is None
    assert f"what {file} remembers is discarded: it cannot be read" in reasons()[0]
    client.save(tensors(2))
    assert same(memory(RecordDict(), file=file).load(), tensors(2))


def test_a_file_of_an_earlier_version_without_digests_is_read(tmp_path):
    file = store_file(tmp_path, "clinic")
    memory(RecordDict(), file=file, t=1).save(tensors())
    found, texts, _ = load_sealed(file)
    save_file(found, file, texts)
    assert same(memory(RecordDict(), file=file).load(), tensors())


def test_numbers_that_are_not_finite_are_never_recalled(reasons):
    records, state = RecordDict(), tensors()
    state["head"]["values"][3] = float("nan")
    memory(records, t=1).save(state)
    assert memory(records).load() is None
    assert "'head/values' has 1 NaN" in reasons()[0]


def test_a_disk_that_fails_leaves_both_memories_as_they_were(tmp_path, monkeypatch):
    records, file = RecordDict(), store_file(tmp_path, "clinic")
    memory(records, t=1, file=file).save(tensors(1))
    monkeypatch.setattr("clients.atomic_files.os.replace", _fail)
    with pytest.raises(OSError, match="no space"):
        memory(records, t=2, file=file).save(tensors(2))
    assert same(memory(records).load(), tensors(1))
    assert same(memory(RecordDict(), file=file).load(), tensors(1))
    assert [path.name for path in tmp_path.iterdir()] == ["clinic.safetensors"]


def trained(records, rounds, lineage=FIRST, file=None):
    """A client that took part in some rounds; what it remembers of round t is tensors(t)."""
    for t in rounds:
        client = memory(records, t, lineage=lineage, file=file)
        client.load()
        client.save(tensors(t))


@pytest.mark.parametrize("where", ["context", "disk"])
def test_a_round_that_a_resumed_run_repeats_begins_with_what_came_before_it(where, tmp_path):
    records, file = RecordDict(), store_file(tmp_path, "clinic")
    trained(records, [1, 2, 3], file=file)
    records = records if where == "context" else RecordDict()
    again = memory(records, t=3, lineage=resumed(after=2, oldest=2), file=file)
    assert same(again.load(), tensors(2))
    again.save(tensors(30))
    assert same(memory(records, lineage=resumed(2, 2), file=file, t=4).load(), tensors(30))


def test_what_was_given_up_is_not_gone_on_with_also_rounds_later(reasons):
    """The client missed the repeated round 3: in round 4 its own round 3 belongs to nobody."""
    records = RecordDict()
    trained(records, [1, 3])
    assert same(memory(records, lineage=resumed(after=2, oldest=2), t=4).load(), tensors(1))
    trained(records := RecordDict(), [3, 4])
    assert memory(records, lineage=resumed(after=2, oldest=2), t=5).load() is None
    assert "holds rounds [3, 4], and none of them leads to round 5" in reasons()[0]


def test_a_message_that_comes_twice_is_answered_from_the_same_beginning():
    records = RecordDict()
    trained(records, [1, 2])
    assert same(memory(records, t=2).load(), tensors(1))


def test_a_client_that_was_away_goes_on_from_its_own_last_round():
    records = RecordDict()
    trained(records, [2])
    assert same(memory(records, lineage=Lineage("r", (Attempt("a"),), oldest=7)).load(), tensors(2))


def test_no_more_rounds_are_kept_than_a_resumed_run_may_need():
    records = RecordDict()
    trained(records, range(1, 9), lineage=Lineage("r", (Attempt("a"),), oldest=6))
    assert {key.split("/")[0] for key in records.array_records[TENSORS]} == {"6", "7", "8"}


def _fail(*_):
    raise OSError("no space left")


def test_no_two_names_share_a_file(tmp_path):
    names = ["a", "a/b", "a%2Fb", "..", "../a", "Klinik Süd"]
    files = {store_file(tmp_path, name) for name in names}
    assert len(files) == len(names)
    assert {file.parent for file in files} == {tmp_path}
