"""Measured costs of the server's part: what is in the record, what is not, and what people read."""

import json
from pathlib import Path

import pytest
import torch

from clients import device
from clients.device import ResettablePeak
from florg_app.engines.inline import task_identity
from florg_app.reports import costs as sums
from florg_app.reports import summary
from strategies.methods.fedavg import FedAvg
from strategies.methods.florg import FLoRG
from strategies.server.cost_meter import SERVER_FLOPS, SERVER_PEAK, CostMeter
from tests.florg_app.test_app import history, run
from tests.support.fakes import Run, assert_same_bits

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the high-water mark is Linux's")
KEYS = {SERVER_FLOPS, SERVER_PEAK}


def test_only_the_phases_count():
    measured = CostMeter(ResettablePeak(CPU))
    a, b = torch.ones(3, 4), torch.ones(4, 5)
    for _ in range(2):
        with measured.phase():
            a @ b
        a @ b
    assert measured.as_dict()[SERVER_FLOPS] == 2 * 2 * 3 * 4 * 5


@linux
def test_the_peak_holds_what_a_phase_allocated_and_freed_and_nothing_of_the_time_before():
    size = 2**28
    with (before := CostMeter(ResettablePeak(CPU))).phase():
        pass
    torch.ones(size // 4)
    with (idle := CostMeter(ResettablePeak(CPU))).phase():
        pass
    with (busy := CostMeter(ResettablePeak(CPU))).phase():
        torch.ones(size // 4)
    low, same, high = (c.as_dict()[SERVER_PEAK] for c in (before, idle, busy))
    assert low is not None and same is not None and high is not None  # noqa: PT018
    assert abs(same - low) < size / 4
    assert high - low > 0.9 * size


def test_where_the_kernel_refuses_the_peak_is_not_known(tmp_path, monkeypatch):
    monkeypatch.setattr(device, "_CLEAR", tmp_path / "missing" / "clear_refs")
    with (measured := CostMeter(ResettablePeak(CPU))).phase():
        torch.ones(3, 4) @ torch.ones(4, 5)
    assert measured.as_dict() == {SERVER_FLOPS: 2 * 3 * 4 * 5, SERVER_PEAK: None}


def test_a_failure_in_a_phase_passes_and_leaves_no_counter_behind():
    with pytest.raises(ZeroDivisionError), CostMeter(ResettablePeak(CPU)).phase():
        1 / 0  # noqa: B018
    with (measured := CostMeter(ResettablePeak(CPU))).phase():
        pass
    assert measured.as_dict()[SERVER_FLOPS] == 0


def test_the_record_has_the_servers_costs_only_where_they_are_measured():
    measured, plain = Run(FLoRG(), measure_costs=True).go(2), Run(FLoRG()).go(2)
    assert_same_bits(measured.state, plain.state)
    one, two = (record.as_dict() for record in measured.records)
    assert one[SERVER_FLOPS] == two[SERVER_FLOPS] > 0
    assert not KEYS & set(plain.records[0].as_dict())


def test_a_mean_of_tensors_has_no_products():
    """As the FLoRG paper's table, which gives FedIT's server none."""
    (record,) = Run(FedAvg(), measure_costs=True).go(1).records
    assert record.as_dict()[SERVER_FLOPS] == 0


def test_diagnostics_are_not_part_of_the_aggregation():
    (with_them,) = Run(FLoRG(), measure_costs=True, diagnostics=True).go(1).records
    (without,) = Run(FLoRG(), measure_costs=True, diagnostics=False).go(1).records
    assert with_them.diagnostics
    assert with_them.costs[SERVER_FLOPS] == without.costs[SERVER_FLOPS]


def test_the_application_measures_clients_and_server_when_asked_and_says_so(tmp_path):
    short = {"train.max-steps": 2, "task.max-validation-rows": 8}
    plain, measured = run(tmp_path / "plain", **short), run(tmp_path / "costs", **short, **{"measure.costs": True})
    records = history(measured)[1:]
    for record in records:
        assert set(record) >= KEYS
        assert {client["flops"] > 1e6 for client in record["clients"].values()} == {True}
        assert 0 < record[SERVER_FLOPS] < record["train"]["flops"]
    assert not any(KEYS & set(r) or "flops" in r["train"] for r in history(plain))
    found = json.loads((measured / "summary.json").read_text())
    assert found["costs"][sums.FLOPS_OF_SERVER] == records[0][SERVER_FLOPS]
    assert "FLOPs per round: each client " in summary.summary_table(found)
    assert "FLOPs" not in summary.summary_table(json.loads((plain / "summary.json").read_text()))


def record(client: int, server: int, peak: int | None) -> dict:
    return {
        "clients": {"0": {"flops": client}, "1": {"flops": 3 * client}},
        sums.FLOPS_OF_SERVER: server,
        sums.PEAK_OF_SERVER: peak,
    }


def test_costs_are_means_over_clients_and_rounds_and_the_highest_peak():
    found = sums.summarise_costs([{"round": 0}, record(10, 100, 5_000_000), record(30, 300, 7_000_000)])
    assert found == {sums.FLOPS_OF_CLIENTS: 40, sums.FLOPS_OF_SERVER: 200, sums.PEAK_OF_SERVER: 7_000_000}
    line = "FLOPs per round: each client 40, server 200; server peak memory 7.0 MB"
    assert sums.cost_line(found, summary.format_bytes) == line
    unknown = sums.summarise_costs([record(10, 100, None)])
    assert sums.cost_line(unknown, summary.format_bytes).endswith("server peak memory not measurable there")
    assert sums.summarise_costs([{"round": 0}]) == {}


def test_the_keys_of_both_sides_agree():
    assert {sums.FLOPS_OF_SERVER, sums.PEAK_OF_SERVER} == KEYS
