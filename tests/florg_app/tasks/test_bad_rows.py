"""Rows that a task cannot use: the file, the row and what to do are named, or they are left out and counted."""

import json

import pytest

from florg_app.config.parse import ConfigError
from florg_app.engines import inline
from florg_app.reports.history import read_history
from tests.support.local_data import ROWS, local_task, write

SKIP = {"task.bad-rows": "skip"}
BAD = {
    "an empty text": ("sentence2", " \n", "sentence2 = ' \\n' is empty"),
    "a number for a text": ("sentence1", 7, "sentence1 = 7 is not a text"),
    "no text": ("sentence1", None, "sentence1 = None is not a text"),
    "an unknown label": ("label", "perhaps", "label = 'perhaps' is none of 0 (not_equivalent), 1 (equivalent)"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_refused_with_its_file_number_cell_and_remedy(case, tmp_path):
    column, value, problem = BAD[case]
    write(tmp_path / "train.jsonl", {**ROWS, column: [*ROWS[column][:2], value, ROWS[column][3]]})
    with pytest.raises(ConfigError) as caught:
        local_task(tmp_path).rows("train")
    assert f'train.jsonl: row 3: {problem}; correct it, or set task.bad-rows = "skip"' in str(caught.value)


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_left_out_and_counted_where_that_is_wanted(case, tmp_path):
    column, value, _ = BAD[case]
    write(tmp_path / "train.jsonl", {**ROWS, column: [*ROWS[column][:2], value, ROWS[column][3]]})
    task = local_task(tmp_path, **SKIP)
    for _ in range(2):  # read twice, counted once
        assert task.rows("train")["sentence2"][:] == [ROWS["sentence2"][row] for row in (0, 1, 3)]
    assert task.skipped == {("train", "train.jsonl"): 1}


def test_rows_that_cannot_be_read_count_as_bad(tmp_path):
    good = json.dumps({"sentence1": "a", "sentence2": "b", "label": 1})
    (tmp_path / "train.jsonl").write_text(f'{good}\n{{"sentence1": \n{good}\n[1]\n')
    (tmp_path / "validation.tsv").write_text("sentence1\tsentence2\tlabel\na\tb\t1\na\tb\n")
    task = local_task(tmp_path, **SKIP)
    assert len(task.rows("train")) == 2
    assert len(task.rows("validation")) == 1
    assert task.skipped == {("train", "train.jsonl"): 2, ("validation", "validation.tsv"): 1}


def test_the_number_of_further_bad_rows_is_said(tmp_path):
    write(tmp_path / "train.csv", {**ROWS, "label": [1, 7, 8, 9]})
    with pytest.raises(ConfigError, match=r"row 2: label = '7'.*\(2 more rows of 4 are bad\)"):
        local_task(tmp_path).rows("train")


def test_a_file_with_no_good_row_is_refused_even_where_bad_rows_are_skipped(tmp_path):
    write(tmp_path / "train.csv", {**ROWS, "label": [7, 7, 8, 9]})
    with pytest.raises(ConfigError, match="none of its 4 rows can be used; row 1: label = '7'"):
        local_task(tmp_path, **SKIP).rows("train")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("train.csv", b"PAR1....", "is a parquet file, whatever its ending says"),
        ("train.tsv", b"PK\x03\x04....", "is a zip archive or a spreadsheet"),
        ("train.jsonl", b"\x1f\x8b....", "is gzip-compressed"),
        ("train.parquet", b"sentence1,sentence2,label\na,b,1\n", "cannot be read as parquet"),
        ("train.csv", b"sentence1\tsentence2\tlabel\na\tb\t1\n", "seems to be separated by tabs"),
        ("train.csv", b"sentence1;sentence2;label\na;b;1\n", "seems to be separated by semicolons"),
        ("train.tsv", b"sentence1,sentence2,label\na,b,1\n", "seems to be separated by commas"),
        ("train.csv", b'{"label": 1}\n', "is JSON, not a table"),
        ("train.jsonl", b'[{"sentence1": "a"}]\n', "is a JSON list"),
        ("train.csv", b"sentence1,sentence2,label\n\xff\xfe,b,1\n", "it is not UTF-8 text"),
    ],
)
def test_a_file_that_is_not_what_its_ending_says_is_refused(name, content, reason, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        local_task(tmp_path, **SKIP).rows("train")
    assert f": {name}: " in str(caught.value)
    assert reason in str(caught.value)


def test_a_run_reports_how_many_rows_each_client_left_out(tmp_path, caplog):
    good = {"sentence1": ["a red dog runs"] * 12, "sentence2": ["a dog runs"] * 12, "label": [0, 1] * 6}
    bad = {"sentence1": ["", "a cat", "a cat"], "sentence2": ["a cat", "a cat", ""], "label": [1, 1, 0]}
    write(tmp_path / "train.jsonl", {name: good[name] + bad[name] for name in good})
    write(tmp_path / "validation.jsonl", {name: good[name] + bad[name][:1] for name in good})
    sizes = {"num-server-rounds": 1, "partition.name": "iid", "partition.min-size": 2, "client.threads": 1}
    files = {"task.path": str(tmp_path), "output-dir": str(tmp_path / "run")}
    inline.run_in_process({**SKIP, **sizes, **files}, 2)
    (_, record), summary = read_history(tmp_path / "run"), json.loads((tmp_path / "run" / "summary.json").read_text())
    assert {name: metrics["skipped-rows"] for name, metrics in record["clients"].items()} == {"0": 2, "1": 2}
    assert summary["skipped-rows"] == {"0": 2, "1": 2}
    assert "1 validation rows are left out as bad" in caplog.text
    assert "clients left out up to 2 training rows as bad" in caplog.text
