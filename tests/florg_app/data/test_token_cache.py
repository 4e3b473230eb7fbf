"""Tokenised rows from the disk are the same as made anew, also where processes race, and where the disk is broken."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import numpy as np
import pytest
from datasets import Dataset

from florg_app.config.settings import TaskSettings
from florg_app.data import token_cache
from florg_app.data.token_arrow import from_table, to_table
from florg_app.data.token_cache import CHECKSUM, TABLE_FILE, TokenCache
from tests.support.word_tokenizer import word_tokenizer

ROWS = Dataset.from_dict({"text": ["a b", "c", "d e f g"], "label": [1, 0, 1]})
TASK = TaskSettings(name="text")


class Maker:
    """Tokenises, and counts how often."""

    def __init__(self, tokenizer=None, rows: Dataset = ROWS) -> None:
        self.tokenizer, self.rows, self.calls = tokenizer or word_tokenizer("abcdefgh"), rows, 0

    def __call__(self):
        self.calls += 1
        tokens = self.tokenizer(self.rows["text"][:], truncation=True, max_length=3)
        columns = {**tokens, "labels": self.rows["label"][:]}
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def through(self, folder, task: TaskSettings = TASK):
        return TokenCache(folder, self.tokenizer, min_rows=2).features(self.rows, task, self)


def test_a_second_process_finds_what_the_first_has_made(tmp_path):
    first, second = Maker(), Maker()
    assert first.through(tmp_path) == second.through(tmp_path) == Maker()()
    assert (first.calls, second.calls) == (1, 0)
    assert [path.name for entry in tmp_path.iterdir() for path in sorted(entry.iterdir())] == [TABLE_FILE, CHECKSUM]


def test_other_rows_tokens_or_lengths_are_another_entry(tmp_path):
    Maker().through(tmp_path)
    others = [
        (Maker(rows=ROWS.select([2, 1, 0])), TASK),
        (Maker(word_tokenizer("hgfedcba")), TASK),
        (Maker(), TASK.model_copy(update={"max_length": 2})),
        (Maker(), TASK.model_copy(update={"template_date": date(2025, 1, 2)})),
    ]
    for maker, task in others:
        maker.through(tmp_path, task)
    assert [maker.calls for maker, _ in others] == [1, 1, 1, 1]
    assert len(list(tmp_path.iterdir())) == 5


def test_where_the_rows_are_from_makes_no_difference(tmp_path):
    Maker().through(tmp_path)
    doubled = Dataset.from_dict({name: ROWS[name][:] * 2 for name in ROWS.column_names})
    same = Maker(rows=doubled.select([0, 4, 5]))
    same.through(tmp_path, TASK.model_copy(update={"path": tmp_path, "max_train_rows": 3}))
    assert same.calls == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: (entry / TABLE_FILE).write_bytes((entry / TABLE_FILE).read_bytes()[:-40]),
        lambda entry: (entry / TABLE_FILE).write_bytes(b""),
        lambda entry: (entry / TABLE_FILE).unlink(),
        lambda entry: (entry / CHECKSUM).unlink(),
        lambda entry: (entry / CHECKSUM).write_bytes(b"\xff"),
    ],
)
def test_a_broken_entry_is_made_anew_and_said(damage, tmp_path, caplog):
    expected = Maker().through(tmp_path)
    (entry,) = tmp_path.iterdir()
    damage(entry)
    again, after = Maker(), Maker()
    with caplog.at_level(logging.WARNING):
        assert again.through(tmp_path) == expected
    assert "are broken and made anew" in caplog.text
    assert after.through(tmp_path) == expected
    assert (again.calls, after.calls) == (1, 0)


def test_an_entry_of_other_rows_under_this_name_is_made_anew_and_said(tmp_path, caplog):
    """Folders that were swapped: each is whole in itself."""
    other = Maker(rows=ROWS.select([2, 1, 0]))
    expected = Maker().through(tmp_path)
    (mine,) = tmp_path.iterdir()
    other.through(tmp_path)
    (theirs,) = (entry for entry in tmp_path.iterdir() if entry != mine)
    for source, target in ((mine, tmp_path / "aside"), (theirs, mine), (tmp_path / "aside", theirs)):
        source.rename(target)
    again = Maker()
    with caplog.at_level(logging.WARNING):
        assert again.through(tmp_path) == expected
    assert again.calls == 1
    assert "are broken and made anew: its checksum is another" in caplog.text


@pytest.mark.parametrize("broken", [False, True])
def test_a_cache_that_may_only_be_read_serves_what_it_has_and_is_no_obstacle(broken, tmp_path, monkeypatch):
    expected = Maker().through(tmp_path)
    if broken:
        (entry,) = tmp_path.iterdir()
        (entry / CHECKSUM).write_text("another")
    before = contents(tmp_path)

    def refuse(*_, **__):
        raise PermissionError(30, "Read-only file system")

    for name in ("utime", "rename", "mkdir", "replace"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(token_cache, "folder_atomically", refuse)
    again = Maker()
    assert again.through(tmp_path) == expected
    assert again.calls == broken
    assert contents(tmp_path) == before


def contents(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_processes_that_start_at_once_all_get_the_features_and_leave_one_entry(tmp_path):
    makers = [Maker() for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda maker: maker.through(tmp_path), makers))
    assert all(result == Maker()() for result in results)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_written_costs_only_time_and_is_said(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert Maker().through(tmp_path / "file") == Maker()()
    assert "cannot be kept" in caplog.text


def test_few_rows_and_images_and_off_are_not_kept(tmp_path):
    tokenizer = word_tokenizer("abc")
    maker = Maker(tokenizer)
    TokenCache(tmp_path, tokenizer, min_rows=4).features(ROWS, TASK, maker)
    assert list(tmp_path.iterdir()) == []
    assert TokenCache.of("off", tokenizer) is None
    assert TokenCache.of(str(tmp_path), object()) is None


def test_every_value_comes_back_equal_and_of_its_type():
    features = [
        {
            "input_ids": [5] * n,
            "offsets": np.arange(2 * n, dtype=np.int32).reshape(n, 2),
            "context": "naïve\ntext",
            "references": ["a"] * n,
            "labels": 0.1 * n,
            "row": n,
        }
        for n in (3, 0, 7)
    ]
    table = to_table(features)
    assert table is not None
    for one, other in zip(features, from_table(table), strict=True):
        assert {name: type(value) for name, value in one.items()} == {n: type(value) for n, value in other.items()}
        offsets, back = one.pop("offsets"), other.pop("offsets")
        assert (offsets.dtype, offsets.shape) == (back.dtype, back.shape)
        assert np.array_equal(offsets, back)
        assert one == other


@pytest.mark.parametrize("value", [object(), None, True, [1.5], [[1]], {"a": 1}])
def test_features_of_other_values_are_not_kept(value):
    assert to_table([{"a": value}]) is None
    assert to_table([{"a": 1}, {"a": 1.0}]) is None
    assert to_table([{"a": 1}, {"b": 1}]) is None
