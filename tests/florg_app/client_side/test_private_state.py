"""What clients keep to themselves, in the whole application: it survives, it differs, it never travels."""

from pathlib import Path

import pytest
import torch
from flwr.app import Context, RecordDict

from clients.memory import TENSORS
from florg_app import client_app, server_app
from florg_app.config.parse import parse_settings
from florg_app.engines.inline import InProcessGrid, task_identity
from strategies import METHODS
from strategies.exchange.wire import ARRAYS, CONFIG, ROUND
from tests.florg_app.test_app import SMALL, history, same_bits

KEEPING = [name for name in METHODS if not METHODS[name]().plan.has_global_model]


def newest(state: RecordDict, record: str = TENSORS) -> dict[str, torch.Tensor]:
    """What a client remembers in this record of the last round in which it took part."""
    arrays = state.array_records.get(record, {})
    last = max((int(key.split("/")[0]) for key in arrays), default=0)
    own = {key: array for key, array in arrays.items() if key.startswith(f"{last}/")}
    return {key.removeprefix(f"{last}/"): torch.tensor(array.numpy()) for key, array in own.items()}


class Observed(InProcessGrid):
    """Notes what each client remembers in this record after each round, and the names of all arrays that travel."""

    def __init__(
        self, *args, node_config: dict | None = None, restart: bool = False, asked_alone=None, record: str = TENSORS
    ):
        super().__init__(*args)
        self.record = record
        self.remembered: dict[tuple[int, int], dict[str, torch.Tensor]] = {}
        self.up: set[str] = set()
        self.down: set[str] = set()
        self.restart = restart
        self.asked_alone = asked_alone
        for context in self._contexts.values():
            context.node_config = {**context.node_config, **(node_config or {})}

    def get_node_ids(self):
        nodes = super().get_node_ids()
        return nodes if self.asked_alone is None else [nodes[self.asked_alone]]

    def _serve(self, message):
        context = self._contexts[message.metadata.dst_node_id]
        if self.restart:
            context.state = RecordDict()
        reply = super()._serve(message)
        if message.metadata.message_type == "train":
            self._note(message, reply, context)
        return reply

    def _note(self, message, reply, context: Context) -> None:
        assert not reply.has_error(), reply.error
        t, partition = message.content.config_records[CONFIG][ROUND], context.node_config["partition-id"]
        self.remembered[t, partition] = newest(context.state, self.record)
        self.up |= set(reply.content.array_records[ARRAYS])
        self.down |= set(message.content.array_records[ARRAYS])


def observe(name: str, folder: Path, num_clients: int = 3, settings: dict | None = None, **grid) -> Observed:
    config = {**SMALL, "train.max-steps": 2, "strategy.name": name, "output-dir": str(folder), **(settings or {})}
    observed = Observed(client_app.app, config, num_clients, **grid)
    with task_identity():
        server_app.serve(observed, parse_settings(config))
    return observed


def equal(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", KEEPING)
def test_what_a_client_keeps_differs_from_the_others_and_is_never_on_the_wire(name, tmp_path):
    grid = observe(name, tmp_path)
    for t in (1, 2):
        assert not equal(grid.remembered[t, 0], grid.remembered[t, 1])
    assert not equal(grid.remembered[1, 0], grid.remembered[2, 0])
    kept = set(grid.remembered[1, 0])
    assert kept
    assert not kept & (grid.up | grid.down)


@pytest.mark.parametrize("name", KEEPING)
def test_a_later_round_goes_on_from_what_was_kept(name, tmp_path):
    """With a memory that is emptied before each message and no disk, the second round ends elsewhere."""
    kept, lost = observe(name, tmp_path / "kept"), observe(name, tmp_path / "lost", restart=True)
    assert equal(kept.remembered[1, 0], lost.remembered[1, 0])
    assert not equal(kept.remembered[2, 0], lost.remembered[2, 0])


@pytest.mark.parametrize("name", KEEPING)
def test_a_restart_with_a_state_directory_changes_no_bit(name, tmp_path):
    whole = observe(name, tmp_path / "whole")
    restarted = observe(
        name, tmp_path / "restarted", restart=True, node_config={"state-dir": str(tmp_path / "state" / "dir")}
    )
    assert whole.remembered.keys() == restarted.remembered.keys()
    assert all(equal(whole.remembered[key], restarted.remembered[key]) for key in whole.remembered)
    assert same_bits(tmp_path / "whole", tmp_path / "restarted")
    assert {path.name for path in (tmp_path / "state" / "dir").iterdir()} == {f"{p}.safetensors" for p in range(3)}


@pytest.mark.parametrize("name", KEEPING)
def test_another_run_does_not_begin_with_the_memories_of_the_last(name, tmp_path):
    runs = [observe(name, tmp_path / run, node_config={"state-dir": str(tmp_path / "state")}) for run in ("a", "b")]
    assert equal(runs[0].remembered[1, 0], runs[1].remembered[1, 0])
    assert same_bits(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("name", KEEPING)
def test_an_absent_client_keeps_its_own_until_it_is_asked_again(name, tmp_path):
    settings = {"fraction-train": 0.5, "num-server-rounds": 4, "task.max-validation-rows": 8}
    grid = observe(name, tmp_path, num_clients=4, settings=settings)
    sampled = [record["sampled"] for record in history(tmp_path)[1:]]
    final = {c.node_config["partition-id"]: c.state for c in grid._contexts.values()}
    for partition in range(4):
        rounds = [t for t, partitions in enumerate(sampled, start=1) if partition in partitions]
        if not rounds:
            assert not final[partition]
        else:
            assert equal(newest(final[partition]), grid.remembered[rounds[-1], partition])
    assert any(len(partitions) < 4 for partitions in sampled)


def test_clients_that_share_nothing_send_nothing_and_do_not_matter_to_each_other(tmp_path):
    all_of_them, alone = observe("local", tmp_path / "all"), observe("local", tmp_path / "few", asked_alone=0)
    for t in (1, 2):
        assert equal(all_of_them.remembered[t, 0], alone.remembered[t, 0])
    assert all_of_them.up == all_of_them.down == set()
    assert [record["up"]["wire-bytes"] + record["down"]["wire-bytes"] for record in history(tmp_path / "all")] == [
        0
    ] * 3


def test_a_reported_tensor_goes_up_and_not_down_and_is_scored_by_the_server(tmp_path):
    grid = observe("fedsa-lora", tmp_path, settings={"strategy.fedsa-lora.global-model": True})
    (group,) = {key.split("/")[0] for key in grid.down}
    assert grid.down == {f"{group}/A"}
    assert grid.up == {f"{group}/A", f"{group}/B", "head/values"}
    records = history(tmp_path)
    assert all(0 <= record["evaluation"]["accuracy"] <= 1 for record in records)
    assert records[1]["up"]["adapter-numbers"] > records[1]["down"]["adapter-numbers"]
    assert records[1]["up"]["head-numbers"] > records[1]["down"]["head-numbers"] == 0


def test_reporting_changes_nothing_for_the_clients(tmp_path):
    silent = observe("fedsa-lora", tmp_path / "silent")
    settings = {"strategy.fedsa-lora.global-model": True}
    reporting = observe("fedsa-lora", tmp_path / "reporting", settings=settings)
    assert all(equal(silent.remembered[key], reporting.remembered[key]) for key in silent.remembered)


def test_a_shared_head_travels_and_is_averaged(tmp_path):
    grid = observe("fedsa-lora", tmp_path, settings={"strategy.fedsa-lora.head": "shared"})
    assert "head/values" in grid.up & grid.down
    assert "head/values" not in grid.remembered[1, 0]
