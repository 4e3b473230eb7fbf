"""A folder of a run is read as far as it can be, whatever became of the run, and what is wrong is said."""

import json

import pytest

from florg_app.run_report.describe import describe_runs
from florg_app.run_report.reported_run import read_reported_runs
from tests.florg_app.test_app import run as run_here
from tests.support.recorded_runs import usual_rounds, write_recorded_run


def alerts(*folders):
    return describe_runs(read_reported_runs(folders))[0].alerts


def test_a_completed_run_has_nothing_to_be_alarmed_about(tmp_path):
    assert alerts(write_recorded_run(tmp_path / "a", usual_rounds())) == ()


def test_a_run_without_an_end_is_unfinished_and_has_the_settings_of_its_checkpoint(tmp_path):
    folder = run_here(tmp_path / "run", 2, strategy__name="fedit")
    (folder / "summary.json").unlink()
    (run,) = read_reported_runs([folder])
    assert (run.status, run.planned, run.title) == ("unfinished", 2, "fedit on tiny")
    assert alerts(folder)[0].startswith("UNFINISHED: ")
    (folder / "checkpoint.safetensors").unlink()
    for older in folder.glob("checkpoint-*.safetensors"):
        older.unlink()
    (run,) = read_reported_runs([folder])
    assert (run.settings, run.planned, run.title) == ({}, None, "run")


def test_a_failed_run_says_why_and_one_that_ended_early_or_was_resumed_too(tmp_path):
    failed = write_recorded_run(tmp_path / "a", usual_rounds(), status="failed", reason="3 rounds were skipped")
    early = write_recorded_run(tmp_path / "b", usual_rounds(), **{"ended-early": "ended early after round 3"})
    resumed = write_recorded_run(tmp_path / "c", usual_rounds(), resumed=[{"after": 2, "source": "x"}])
    assert alerts(failed) == ("FAILED: 3 rounds were skipped",)
    assert alerts(early) == ("ended early after round 3",)
    assert alerts(resumed) == ("Resumed 1 times, the last after round 2.",)
    assert alerts(failed, early) == ("a: FAILED: 3 rounds were skipped", "b: ended early after round 3")


def test_a_run_that_ended_before_its_first_round_says_so(tmp_path):
    folder = write_recorded_run(tmp_path / "a", [], status="failed", reason="nobody came")
    assert alerts(folder) == ("FAILED: nobody came", "No round is recorded.")


def test_of_a_damaged_history_what_can_be_read_is_reported_and_the_rest_counted(tmp_path):
    folder = write_recorded_run(tmp_path / "a", usual_rounds())
    lines = (folder / "history.jsonl").read_text().splitlines()
    lines[2] = lines[2].replace('"round": 2', '"round": "two"')
    (folder / "history.jsonl").write_text("\n".join(lines) + "\n")
    (run,) = read_reported_runs([folder])
    assert [record["round"] for record in run.records] == [0, 1, 3]
    assert alerts(folder) == ("1 lines of history.jsonl are damaged and left out",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "summary.json is damaged: it holds no JSON object"),
        ("[]", "summary.json is damaged: it holds no JSON object"),
        ('{"status": 5}', "summary.json is damaged: status"),
        ('{"status": "failed", "versions": {"torch": [1]}}', "summary.json is damaged: versions.torch"),
    ],
)
def test_a_damaged_summary_is_said_and_the_rounds_are_reported(text, said, tmp_path):
    folder = write_recorded_run(tmp_path / "a", usual_rounds())
    (folder / "summary.json").write_text(text)
    found = alerts(folder)
    assert found[0].startswith("UNFINISHED: ")
    assert found[1] == said


@pytest.mark.parametrize("groups", [{"6x5": 3}, {"6x5": {"drift": "far"}}, [1]])
def test_diagnostics_of_another_form_are_no_record(groups, tmp_path):
    records = usual_rounds()
    records[1]["diagnostics"] = groups
    (run,) = read_reported_runs([write_recorded_run(tmp_path / "a", records)])
    assert [record["round"] for record in run.records] == [0, 2, 3]


def test_a_history_of_an_earlier_version_has_fewer_fields_and_a_report(tmp_path):
    old = [{"round": t, "evaluation": {"accuracy": 0.5 + t / 10}} for t in range(3)]
    document, _ = describe_runs(read_reported_runs([write_recorded_run(tmp_path / "a", old)]))
    (scores,) = [table for table in document.tables() if table.name == "scores"]
    assert [cell.text for cell in scores.rows[0]] == ["accuracy", "0.5000", "0.7000", "0.7000", "2"]


def test_a_folder_that_holds_no_run_is_refused_with_the_next_move(tmp_path):
    with pytest.raises(ValueError, match=r"holds no run: history\.jsonl.*give the folder that `florg run` names"):
        read_reported_runs([tmp_path])
    folder = write_recorded_run(tmp_path / "a", usual_rounds())
    with pytest.raises(ValueError, match="named twice"):
        read_reported_runs([folder, folder / "."])


def test_labels_are_as_much_of_a_path_as_tells_runs_apart(tmp_path):
    folders = [write_recorded_run(tmp_path / name, usual_rounds()) for name in ("x/seed-1", "y/seed-1", "z/seed-2")]
    assert [run.label for run in read_reported_runs(folders)] == ["x/seed-1", "y/seed-1", "seed-2"]


def test_a_summary_holds_what_a_report_takes_from_it(tmp_path):
    folder = run_here(tmp_path / "run", 2)
    (run,) = read_reported_runs([folder])
    written = json.loads((folder / "summary.json").read_text())
    assert run.summary is not None
    assert (run.status, dict(run.settings)) == (written["status"], written["settings"])
    assert run.summary.versions == written["versions"]
    assert run.summary.seconds["total"] == written["seconds"]["total"]
