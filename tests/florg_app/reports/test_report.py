"""What a run leaves behind can be read by people and by strict JSON parsers, also after it went wrong."""

import json
import logging
import math
import os

import pytest

from florg_app.code_version import code_fingerprint
from florg_app.reports import summary
from florg_app.reports.history import read_history
from florg_app.reports.report import PREFIX, Report, note
from strategies.server.round_record import RoundRecord

SETTINGS = {"num-server-rounds": 10, "strategy.name": "florg", "task.name": "tiny"}


def traffic(wire):
    return {
        "adapter-numbers": 100,
        "adapter-payload-bytes": 400,
        "head-numbers": 10,
        "head-payload-bytes": 40,
        "wire-bytes": wire,
    }


def round_zero():
    return RoundRecord(
        0, [], evaluation={"accuracy": 0.5, "f1": 0.4, "loss": 0.7}, seconds={"evaluate": 0.26}
    ).as_dict()


def round_record(t, accuracy=0.871, **changes):
    return {
        "round": t,
        "sampled": [0, 1, 2],
        "accepted": [0, 1, 2],
        "rejected": [],
        "skipped": "",
        "weights": {0: 0.25, 1: 0.25, 2: 0.5},
        "train": {"loss": 0.47, "loss-first": 0.512, "loss-last": 0.43, "num-examples": 96},
        "clients": {0: {"loss": 0.4}, 1: {"loss": math.nan}, 2: {"loss": 0.5}},
        "evaluation": {"accuracy": accuracy, "f1": 0.8, "loss": 0.39},
        "up": traffic(36100),
        "down": traffic(72000),
        "diagnostics": {"6x5": {"aggregation-error": 0.01}},
        "seconds": {"train": 3.0, "aggregate": 0.2, "evaluate": 1.0},
    } | changes


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, logger="flwr")
    return lambda: [record.getMessage() for record in caplog.records]


def strict_json(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_round_becomes_one_progress_line_and_one_json_line(tmp_path, lines):
    report = Report(tmp_path / "run", SETTINGS)
    report.round(round_record(3))
    assert lines() == [
        f"{PREFIX}round  3/10  clients 3/3  loss 0.470  accuracy 0.871  f1 0.800  eval loss 0.390"
        "  up 36.1 kB  down 72.0 kB  4.2 s"
    ]
    (record,) = [strict_json(line) for line in (tmp_path / "run/history.jsonl").read_text().splitlines()]
    assert record["weights"] == {"0": 0.25, "1": 0.25, "2": 0.5}
    assert record["clients"]["1"] == {"loss": None}  # NaN


def test_round_zero_shows_the_metrics_before_training(tmp_path, lines):
    Report(tmp_path, SETTINGS).round(round_zero())
    assert lines() == [f"{PREFIX}round  0/10  accuracy 0.500  f1 0.400  eval loss 0.700  0.3 s"]


def test_rejections_and_skipped_rounds_are_shown_with_their_reasons(tmp_path, lines, caplog):
    reason = "'6x5/A' is (4, 3), expected (4, 5)"
    record = round_record(
        4,
        accepted=[],
        rejected=[{"partition": 2, "reason": reason}],
        skipped="0 of 3 uploads accepted, min-uploads = 1",
        train={},
        evaluation=None,
    )
    Report(tmp_path, SETTINGS).round(record)
    first, *others = lines()
    assert first.startswith(f"{PREFIX}round  4/10  SKIPPED  clients 0/3  up 36.1 kB")
    assert f"{PREFIX}round 4 skipped, the model stays as it was: 0 of 3 uploads accepted, min-uploads = 1" in others
    assert f"{PREFIX}partition 2 rejected: {reason}" in others
    assert all(line.levelno == logging.WARNING for line in caplog.records[1:])


def test_a_reply_from_nobody_asked_is_shown(tmp_path, lines):
    Report(tmp_path, SETTINGS).round(round_record(1, rejected=[{"partition": None, "reason": "stale"}]))
    assert lines()[-1] == f"{PREFIX}a reply from nobody asked rejected: stale"


def test_the_summary_holds_totals_best_and_final_metrics(tmp_path, lines):
    report = Report(tmp_path, SETTINGS)
    report.round(round_zero())
    report.round(round_record(1, accuracy=0.9))
    report.round(round_record(2, accuracy=0.8, rejected=[{"partition": 7, "reason": "NaN"}]))
    report.finish("completed", paths={"adapter": "adapter"})
    found = strict_json((tmp_path / "summary.json").read_text())
    assert found["status"] == "completed"
    assert found["best"]["accuracy"] == {"value": 0.9, "round": 1}
    assert found["best"]["loss"]["round"] == 1
    assert found["final"]["round"] == 2
    assert found["final"]["accuracy"] == 0.8
    assert found["initial"]["accuracy"] == 0.5
    assert found["communication"]["up"] == {key: 2 * value for key, value in traffic(36100).items()}
    assert found["communication"]["down"]["wire-bytes"] == 144000
    assert found["seconds"]["train"] == 6.0
    assert found["uploads"] == {
        "accepted": 6,
        "rejected": 1,
        "largest-share": {"partition": "2", "round": 1, "share": 0.5},
    }
    assert found["paths"]["adapter"] == str(tmp_path / "adapter")
    assert found["versions"]["torch"]
    assert found["versions"]["source"] == code_fingerprint()
    assert found["hardware"]["cpu"].endswith(" cores")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert any("72.2 kB" in line for line in lines())
    assert lines()[-1] == f"{PREFIX}results are in {tmp_path}"


def test_a_run_that_failed_before_its_first_round_still_has_a_summary(tmp_path):
    Report(tmp_path, SETTINGS).finish("failed", "round-timeout: no client answered")
    found = strict_json((tmp_path / "summary.json").read_text())
    assert (found["status"], found["reason"]) == ("failed", "round-timeout: no client answered")
    assert found["final"] == {}
    assert (tmp_path / "curves.png").exists()


def test_square_brackets_in_a_reason_are_text_and_not_markup(tmp_path, lines):
    Report(tmp_path, SETTINGS).finish("failed", "expected [red], got [/red]")
    assert f"{PREFIX}expected [red], got [/red]" in lines()


def test_a_metric_that_was_nan_at_first_has_its_best_among_the_numbers(tmp_path):
    report = Report(tmp_path, SETTINGS)
    report.round(round_record(1, accuracy=math.nan))
    report.round(round_record(2, accuracy=0.6))
    report.finish("completed")
    assert strict_json((tmp_path / "summary.json").read_text())["best"]["accuracy"] == {"value": 0.6, "round": 2}


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path):
    Report(tmp_path, SETTINGS).round(round_record(1))
    with pytest.raises(ValueError, match="already holds a run"):
        Report(tmp_path, SETTINGS)


def test_a_resumed_run_continues_its_history_after_the_checkpoint(tmp_path):
    report = Report(tmp_path, SETTINGS)
    for t in (1, 2, 3):
        report.round(round_record(t))
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"round": 4, "sam')  # killed in the middle of a line
    resumed = Report(tmp_path, SETTINGS, resume_round=2)
    resumed.round(round_record(3))
    assert [record["round"] for record in read_history(tmp_path)] == [1, 2, 3]
    resumed.finish("completed")
    assert strict_json((tmp_path / "summary.json").read_text())["communication"]["up"]["wire-bytes"] == 3 * 36100


def test_lines_that_a_full_disk_did_not_take_are_written_with_the_next_ones(tmp_path, monkeypatch, caplog):
    report = Report(tmp_path, SETTINGS)
    report.round(round_record(1))
    with monkeypatch.context() as full:
        full.setattr("florg_app.reports.report.os.fsync", _no_space)
        report.round(round_record(2))
        report.round(round_record(3))
    assert caplog.text.count("history.jsonl could not be written: [Errno 28] No space left") == 2
    report.round(round_record(4))
    assert [record["round"] for record in read_history(tmp_path)] == [1, 2, 3, 4]


def _no_space(*_):
    raise OSError(28, "No space left on device")


def test_a_folder_without_permission_is_refused_before_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match="cannot be written: no permission"):
        Report(tmp_path, SETTINGS)


def test_an_output_folder_that_is_a_file_is_refused_before_the_run(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ValueError, match=r"output-dir .*taken cannot be written"):
        Report(tmp_path / "taken", SETTINGS)


def test_every_line_of_a_note_can_be_found_in_the_log(lines):
    note("one\ntwo")
    assert lines() == [f"{PREFIX}one", f"{PREFIX}two"]


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (36_100, "36.1 kB"), (2.5e12, "2500.0 GB")]
)
def test_sizes_are_in_powers_of_a_thousand(num_bytes, text):
    assert summary.format_bytes(num_bytes) == text
