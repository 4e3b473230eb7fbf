"""A report says what a run took."""

import json

import pytest

from florg_app.engines import inline
from florg_app.reports import costs
from florg_app.reports.history import read_history
from florg_app.reports.summary import format_bytes, summary_table

RECORDS = [
    {"round": 0, "seconds": {"load": 3.0, "evaluate": 1.0}, "peak-memory-bytes": 500},
    {
        "round": 1,
        "peak-memory-bytes": 700,
        "clients": {
            0: {"load-seconds": 2.0, "data-seconds": 1.0, "seconds": 4.0, "peak-memory-bytes": 900},
            1: {"load-seconds": 1.0, "data-seconds": 0.5, "seconds": 8.0, "peak-memory-bytes": 300},
        },
    },
    {"round": 2, "peak-memory-bytes": 600, "clients": {0: {"load-seconds": 0.0, "data-seconds": 0.0, "seconds": 6.0}}},
]


def test_phases_are_means_and_peaks_maxima():
    assert costs.summarise_resources(RECORDS) == {
        "client-seconds": {
            "load": {"mean": 1.0, "longest": 2.0},
            "data": {"mean": 0.5, "longest": 1.0},
            "train": {"mean": 6.0, "longest": 8.0},
        },
        "peak-memory-bytes": {"client": 900, "server": 700},
    }


def test_what_nobody_reported_is_left_out():
    quiet = costs.summarise_resources([{"round": 1, "clients": {0: {}}}])
    assert quiet == {"client-seconds": {}, "peak-memory-bytes": {}}
    assert costs.resource_lines({"seconds": {"total": 9.0}, **quiet}, format_bytes) == []


def test_a_run_says_what_each_phase_took_and_how_much_memory(tmp_path):
    run = tmp_path / "run"
    sizes = {"task.max-train-rows": 64, "task.max-validation-rows": 32, "client.threads": 1, "num-server-rounds": 1}
    inline.run_in_process({**sizes, "output-dir": str(run)}, 2)
    found = json.loads((run / "summary.json").read_text())
    assert found["seconds"].keys() == {"load", "train", "aggregate", "evaluate", "total"}
    assert sum(found["seconds"].values()) - found["seconds"]["total"] < found["seconds"]["total"]
    assert found["client-seconds"].keys() == {"load", "data", "train"}
    assert all(seconds["longest"] > 0 for seconds in found["client-seconds"].values())
    trained = [client["seconds"] for client in read_history(run)[1]["clients"].values()]
    assert found["client-seconds"]["train"]["mean"] == pytest.approx(sum(trained) / 2)
    assert min(found["peak-memory-bytes"].values()) > 2**20
    text = summary_table(found)
    assert f"run: load {found['seconds']['load']:.1f} s, train {found['seconds']['train']:.1f} s, aggregate " in text
    assert f"client's round: load {found['client-seconds']['load']['mean']:.1f} s (longest " in text
    assert f"peak memory: client {format_bytes(found['peak-memory-bytes']['client'])}, server " in text
