"""CSV and TSV: cells of any size, rows that cannot be parsed, columns of one name."""

import csv
import json

import pyarrow
import pytest
from pyarrow import parquet

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.tasks.registry import make_task
from tests.support.local_data import cells_of, local_task

SKIP = {"task.bad-rows": "skip"}
HEADER = "sentence,label\n"
BEHIND = "has text behind the quotation mark that ends a cell; double quotation marks inside of cells"
UNENDED = "has a quotation mark that begins a cell and no other that ends it"


def complaint(folder, **keys) -> str:
    with pytest.raises(ConfigError) as caught:
        local_task(folder, "glue/sst2", **keys).rows("train")
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_cell_may_be_longer_than_csvs_limit_which_stays_as_it_was(suffix, tmp_path):
    long, between = "good " * 60_000, {"csv": ",", "tsv": "\t"}[suffix]
    (tmp_path / f"train.{suffix}").write_text(f"sentence{between}label\n{long}{between}1\nb{between}0\n")
    before = csv.field_size_limit()
    assert local_task(tmp_path, "glue/sst2").rows("train")["sentence"][:] == [long, "b"]
    assert csv.field_size_limit() == before < len(long)


@pytest.mark.parametrize(
    ("lines", "problems", "good"),
    [
        (['"the "good" film",1', "b,1"], {1: BEHIND}, ["b"]),
        (["a,0", '"b" c,1', "d,1"], {2: BEHIND}, ["a", "d"]),
        (["a,0", '"b,1', "c,1", "d,0"], {2: UNENDED}, ["a", "c", "d"]),
        (["a,0", '"b,1', "c,1", '"d",0', "e,1"], {2: BEHIND}, ["a", "c", "d", "e"]),
        (["a,0", '"x', 'y "z" w",1', "e,1"], {2: BEHIND}, ["a", "e"]),
        (['"a', 'b",1', '"c "d",1', '"e', 'f",0'], {2: BEHIND}, ["a\nb", "e\nf"]),
        (["a,0", "b,1,2", "c,1"], {2: "has 3 fields, the header has 2"}, ["a", "c"]),
        (["a,0", "sentence,label", "c,1"], {2: "is the header once more; were files put together?"}, ["a", "c"]),
        (["a,0", "", "c,1"], {}, ["a", "c"]),
        (["a,0", "  ", "c,1", "", " "], {}, ["a", "c"]),
    ],
)
def test_a_row_that_cannot_be_parsed_is_named_by_its_line_and_costs_no_other(lines, problems, good, tmp_path):
    (tmp_path / "train.csv").write_text(HEADER + "\n".join(lines) + "\n")
    for row, problem in problems.items():
        message = complaint(tmp_path)
        assert f"train.csv: row {row}: (line " in message
        assert f") {problem}; correct it, or set" in message
    task = local_task(tmp_path, "glue/sst2", **SKIP)
    assert task.rows("train")["sentence"][:] == good
    assert task.skipped.get(("train", "train.csv"), 0) == len(problems)


def test_the_line_is_that_where_the_row_begins(tmp_path):
    (tmp_path / "train.csv").write_text(HEADER + '"a\nb\nc",1\nd,0\n"e" f,1\n')
    assert "row 3: (line 6) " in complaint(tmp_path)


def test_what_the_server_learns_of_a_private_file_names_line_and_cause_and_quotes_nothing(tmp_path):
    (tmp_path / "train.csv").write_text(HEADER + '"the "secret" film",1\n')
    with pytest.raises(ConfigError) as caught:
        make_task(parse_settings({"task.name": "glue/sst2"}), tmp_path).rows("train")
    assert f"train.csv: row 1: (line 2) {BEHIND}; correct it" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_header_that_cannot_be_parsed_is_named(tmp_path):
    (tmp_path / "train.csv").write_text('"sentence" x,label\na,1\n')
    assert f"train.csv: line 1, its header, {BEHIND}" in complaint(tmp_path)


def write_double(folder, suffix: str, wanted: bool) -> None:
    """Two columns of one name: of one that the task reads, or of another."""
    names = ["sentence", "label", "sentence"] if wanted else ["sentence", "label", "note", "note"]
    values = ["a", "1", "ID 7", "ID 8"][: len(names)]
    path = folder / f"train.{suffix}"
    if suffix == "parquet":
        parquet.write_table(pyarrow.Table.from_arrays([pyarrow.array([value]) for value in values], names), path)
    elif suffix in ("jsonl", "json"):
        pairs = ", ".join(f"{json.dumps(n)}: {json.dumps(v)}" for n, v in zip(names, values, strict=True))
        path.write_text(f"[{{{pairs}}}]" if suffix == "json" else f"{{{pairs}}}\n")
    else:
        between = {"csv": ",", "tsv": "\t"}[suffix]
        path.write_text("".join(between.join(row) + "\n" for row in (names, values)))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_two_columns_of_the_name_that_is_read_are_refused_with_their_places(suffix, tmp_path):
    write_double(tmp_path, suffix, wanted=True)
    message = complaint(tmp_path)
    if suffix in ("jsonl", "json"):
        said = "row 1: sentence is there 2 times (keys 1 and 3 of its object), and no telling which is meant"
    else:
        said = "has 2 columns of the name sentence (columns 1 and 3), and no telling which is meant; remove or rename"
    assert f"train.{suffix}: {said}" in message


def test_an_object_of_columns_with_two_of_one_name_is_refused_with_their_places(tmp_path):
    (tmp_path / "train.json").write_text('{"sentence": ["a", "b"], "label": [0, 1], "sentence": ["ID 7", "ID 8"]}')
    assert "train.json: sentence is there 2 times (keys 1 and 3 of its object), and no telling" in complaint(tmp_path)


@pytest.mark.parametrize(
    ("suffix", "separator", "words"),
    [
        ("csv", ";", "semicolons; save it separated by commas"),
        ("csv", "\t", r"tabs (.tsv); save it separated by commas"),
        ("tsv", ",", "commas (.csv); save it separated by tabs"),
        ("tsv", "|", "bars; save it separated by tabs"),
    ],
)
def test_a_table_with_other_separators_is_named_with_what_to_do(suffix, separator, words, tmp_path):
    (tmp_path / f"train.{suffix}").write_text(f"sentence{separator}label\na{separator}1\n")
    assert f"it seems to be separated by {words}" in complaint(tmp_path)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_two_columns_of_a_name_that_is_not_read_do_no_harm(suffix, tmp_path):
    write_double(tmp_path, suffix, wanted=False)
    assert cells_of(local_task(tmp_path, "glue/sst2").rows("train")) == {"sentence": ["a"], "label": [1]}


@pytest.mark.parametrize("column", ["label", "hospital"])
def test_two_columns_of_the_name_of_classes_or_owners_are_refused(column, tmp_path):
    (tmp_path / "train.csv").write_text(f"text,label,hospital,{column}\na,x,p,q\n")
    keys = {"task.name": "text", "task.path": str(tmp_path), "partition.column": "hospital"}
    with pytest.raises(ConfigError, match=f"has 2 columns of the name {column} "):
        make_task(parse_settings({**keys, "task.labels": "x,y"})).rows("train")
    if column == "label":
        with pytest.raises(ConfigError, match="has 2 columns of the name label "):
            make_task(parse_settings(keys))


def test_two_names_that_differ_in_padding_alone_are_one_name(tmp_path):
    (tmp_path / "train.csv").write_text("sentence,label,sentence \na,1,ID 7\n")
    assert "has 2 columns of the name sentence (columns 1 and 3)" in complaint(tmp_path)
