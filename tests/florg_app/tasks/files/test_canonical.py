"""Equal values of another type are one value: in class names, class numbers, numbers and owners of rows."""

import math
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pytest

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.data.client_rows import ClientRows
from florg_app.tasks.files.canonical import read_name, read_number, read_whole
from florg_app.tasks.registry import make_task
from tests.support.local_data import cells_of, local_task, write

ONE = [1, 1.0, "1", "1.0", " 1 ", "1.", np.int8(1), np.float32(1), Decimal("1.00"), "\ufeff1", "1\u200b"]
TRUE = [True, "true", "True", "TRUE ", np.bool_(True)]
ZERO = [0, 0.0, -0.0, "0", "-0.0", "0.00", np.float64(-0.0)]


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (ONE, "1"),
        (TRUE, "true"),
        (ZERO, "0"),
        ([-3, -3.0, "-3.0"], "-3"),
        ([date(2024, 1, 2), datetime(2024, 1, 2), "2024-01-02", np.datetime64("2024-01-02")], "2024-01-02"),
        (["caf\u00e9", "cafe\u0301", " caf\u00e9\u00a0"], "café"),
    ],
)
def test_values_that_mean_the_same_have_one_name(values, name):
    assert [read_name(value) for value in values] == [name] * len(values)


@pytest.mark.parametrize("name", ["01", "007", "1.10", "1.5", "+1", "1e0", "yes", "v1.0", "1_000"])
def test_texts_that_may_mean_something_else_stay_as_they_are(name):
    assert read_name(name) == name


@pytest.mark.parametrize(
    "value", [0.5, math.nan, math.inf, None, b"one", [1], {"a": 1}, float(2**53 + 2), Decimal("0.1")]
)
def test_what_is_no_name_is_refused(value):
    with pytest.raises(ValueError, match="so no name"):
        read_name(value)


@pytest.mark.parametrize("value", [5, 5.0, "5", "5.0", np.int64(5), Decimal(5)])
def test_whole_numbers_are_read_from_any_type(value):
    assert read_whole(value) == 5


@pytest.mark.parametrize("value", [1.5, "a", "", None, True, math.nan, "1.5", "9" * 30, [1]])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(ValueError, match="no whole number"):
        read_whole(value)


@pytest.mark.parametrize("value", [2.5, "2.5", " 2.50 ", Decimal("2.5"), np.float32(2.5), "25e-1"])
def test_numbers_are_read_from_any_type(value):
    assert read_number(value) == 2.5


@pytest.mark.parametrize("value", ["1_000", "nan", "inf", True, None, "", 1e300, 10**400, "1e999", "two", math.nan])
def test_what_is_no_number_that_float32_holds_is_refused(value):
    with pytest.raises(ValueError, match="is not a number"):
        read_number(value)


LABELS = {
    "floats": [0.0, 1.0, 1.0, 0.0],
    "whole numbers": [0, 1, 1, 0],
    "truth values": [False, True, True, False],
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl", "tsv"])
def test_class_numbers_of_any_type_are_read_as_they_are_meant(suffix, kind, tmp_path):
    texts = {"sentence": ["a", "b", "c", "d"]}
    write(tmp_path / f"train.{suffix}", {**texts, "label": LABELS[kind]})
    assert cells_of(local_task(tmp_path, "glue/sst2").rows("train")) == {**texts, "label": [0, 1, 1, 0]}
    columns = {"task.text-columns": "sentence", "task.labels": "0,1"}
    assert local_task(tmp_path, "text", **columns).rows("train")["label"][:] == [0, 1, 1, 0]


@pytest.mark.parametrize("labels", ["0,1", "0.0, 1.0", "false,true", "False,True"])
@pytest.mark.parametrize("kind", LABELS)
def test_clients_of_one_federation_may_write_the_classes_in_different_types(kind, labels, tmp_path):
    write(tmp_path / "train.jsonl", {"text": ["a", "b", "c", "d"], "label": LABELS[kind]})
    assert local_task(tmp_path, "text", **{"task.labels": labels}).rows("train")["label"][:] == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("kind", "names"), [("floats", ("0", "1")), ("whole numbers", ("0", "1")), ("truth values", ("false", "true"))]
)
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_classes_that_are_found_have_the_same_names_in_every_format(suffix, kind, names, tmp_path):
    write(tmp_path / f"train.{suffix}", {"text": ["a", "b", "c", "d"], "label": LABELS[kind]})
    assert local_task(tmp_path, "text").label_names == names


def test_classes_given_twice_in_other_types_are_no_choice(tmp_path):
    with pytest.raises(ConfigError, match=r'task.labels = "1, 1.0": expected at least two names, all different'):
        local_task(tmp_path, "text", **{"task.labels": "1,1.0"})


def test_truth_values_beside_numbers_are_refused_since_nothing_says_which_are_the_same(tmp_path):
    write(tmp_path / "train.jsonl", {"text": ["a", "b", "c"], "label": [True, 0, 1]})
    with pytest.raises(ConfigError, match=r"column label has truth values and numbers \(True, 0, 1\), and no telling"):
        local_task(tmp_path, "text")


def test_a_column_of_fractions_is_refused_with_what_was_found(tmp_path):
    write(tmp_path / "train.parquet", {"text": ["a", "b"], "label": [0.5, 1.5]})
    message = (
        r"column label has 0 class\(es\), at least 2 needed; train.parquet: row 1: 0.5 is neither a text nor a whole"
    )
    with pytest.raises(ConfigError, match=message):
        local_task(tmp_path, "text")


def test_truth_values_are_no_classes_where_there_are_three(tmp_path):
    write(tmp_path / "train.jsonl", {"premise": ["a"], "hypothesis": ["b"], "label": [True]})
    with pytest.raises(ConfigError, match=r"row 1: label = True is none of 0 \(entailment\)"):
        local_task(tmp_path, "glue/mnli").rows("train")


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_an_owners_number_that_became_a_float_is_the_same_owner(suffix, tmp_path):
    """pandas makes a column of numbers float once a cell has been empty."""
    rows = {"sentence1": ["a b"] * 6, "sentence2": ["b a"] * 6, "label": [0, 1] * 3}
    write(tmp_path / f"train.{suffix}", {**rows, "hospital": [101.0, 102.0] * 3})
    keys = {
        "task.name": "glue/mrpc",
        "task.path": str(tmp_path),
        "partition.name": "natural-id",
        "partition.min-size": 1,
    }
    settings = parse_settings({**keys, "partition.column": "hospital"})
    clients = ClientRows(make_task(settings), settings, 0.0)
    assert clients.train["hospital"][:] == ["101", "102"] * 3
    assert [clients.of(client, 2)[0].tolist() for client in range(2)] == [[0, 2, 4], [1, 3, 5]]
