"""Who gets which rows: disjoint, covering, the same everywhere, as skewed as asked for."""

import hashlib
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.config.partition_settings import PARAMETERS
from florg_app.config.settings import PartitionSettings
from florg_app.data.partition import partition_rows, split_holdout
from florg_app.data.partitioners import PARTITIONERS
from strategies.rng import stream_seed


def labelled(num_rows: int, num_classes: int = 3) -> Dataset:
    """Rows in the order of their classes, the worst case for a partitioner that does not shuffle."""
    return Dataset.from_dict({"label": np.sort(np.arange(num_rows) % num_classes), "text": ["x"] * num_rows})


def partition(num_rows: int = 600, num_partitions: int = 5, seed: int = 1, **keys: float | str) -> list[np.ndarray]:
    chosen = PartitionSettings(**{"min_size": 1, **keys})
    ids = [f"clinic {row % num_partitions}" for row in range(num_rows)]
    rows = labelled(num_rows).add_column("client", ids)  # pyright: ignore[reportCallIssue]
    return partition_rows(rows, chosen.column or "label", chosen, num_partitions, seed)


KINDS: dict[str, dict[str, float | str]] = {
    "iid": {"name": "iid"},
    "dirichlet": {"name": "dirichlet", "alpha": 5.0},
    "pathological": {"name": "pathological", "classes_per_client": 3},
    "natural-id": {"name": "natural-id", "column": "client"},
    "linear": {"name": "linear"},
    "square": {"name": "square"},
    "exponential": {"name": "exponential"},
}
"""Settings with which every way of dividing gives some clients of some rows enough."""


def skew(parts: list[np.ndarray], num_rows: int, num_classes: int = 3) -> float:
    """Mean total variation distance between a client's classes and those of all."""
    labels = np.sort(np.arange(num_rows) % num_classes)
    shares = np.stack([np.bincount(labels[part], minlength=num_classes) / len(part) for part in parts])
    return float(np.abs(shares - 1 / num_classes).sum(1).mean() / 2)


def digest(parts: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(part.astype(np.int64).tobytes() for part in parts)).hexdigest()


def test_every_name_of_the_setting_has_a_partitioner():
    names = set(get_args(PartitionSettings.model_fields["name"].annotation))
    assert names == set(PARTITIONERS) == set(PARAMETERS) == set(KINDS)


@settings(max_examples=20)
@given(
    name=st.sampled_from(sorted(KINDS)),
    num_partitions=st.integers(1, 4),
    extra_rows=st.integers(0, 50),
    seed=st.integers(0, 2**31),
)
def test_partitions_are_disjoint_and_cover_all_rows(name, num_partitions, extra_rows, seed):
    num_rows = 40 * num_partitions + extra_rows
    parts = partition(num_rows, num_partitions, seed, **KINDS[name])
    assert len(parts) == num_partitions
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(num_rows))
    assert all(np.array_equal(part, np.sort(part)) for part in parts)


@pytest.mark.parametrize("name", PARTITIONERS)
def test_the_same_seed_gives_the_same_partition_and_another_seed_another_where_anything_is_drawn(name):
    assert digest(partition(**KINDS[name])) == digest(partition(**KINDS[name]))
    same = digest(partition(**KINDS[name])) == digest(partition(seed=2, **KINDS[name]))
    assert same == (name == "natural-id")  # nothing is drawn there


def test_another_process_computes_the_same_partition():
    program = (
        "from tests.florg_app.data.test_partition import *; print(digest(partition()), digest(partition(name='iid')))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.split() == [digest(partition()), digest(partition(name="iid"))]


def test_skew_grows_as_alpha_falls():
    skews = [
        np.mean([skew(partition(3000, 10, seed, alpha=alpha), 3000) for seed in range(3)])
        for alpha in (1000.0, 10.0, 1.0, 0.5)
    ]
    assert skews == sorted(skews)
    assert skews[0] < 0.05
    assert skews[-1] > 0.25


@pytest.mark.parametrize("seed", range(5))
def test_each_class_is_divided_in_the_shares_of_one_dirichlet_draw(seed):
    rng = np.random.default_rng(stream_seed(seed, "partition"))
    shares = np.stack([rng.dirichlet([0.5] * 5) for _ in range(3)])
    labels = np.sort(np.arange(3000) % 3)
    counts = np.stack([np.bincount(labels[part], minlength=3) for part in partition(3000, 5, seed, alpha=0.5)], axis=1)
    assert np.abs(counts - 1000 * shares).max() <= 1


def test_iid_parts_are_of_equal_size_and_alike_although_the_rows_are_sorted_by_class():
    parts = partition(3001, 10, name="iid")
    assert {len(part) for part in parts} == {300, 301}
    assert skew(parts, 3001) < 0.06


def test_no_client_gets_fewer_rows_than_min_size():
    smallest = [min(map(len, partition(1000, 10, seed, alpha=1.0, min_size=30))) for seed in range(5)]
    assert min(smallest) >= 30
    assert min(min(map(len, partition(1000, 10, seed, alpha=1.0, min_size=1))) for seed in range(5)) < 30


@pytest.mark.parametrize("name", PARTITIONERS)
def test_too_few_rows_for_so_many_clients_are_refused_with_the_settings_to_change(name):
    with pytest.raises(ConfigError) as caught:
        partition(39, 5, **{**KINDS[name], "min_size": 8})
    for text in ("39 training rows", "5 clients", "partition.min-size = 8", "(40 are needed)", "task.max-train-rows"):
        assert text in str(caught.value)
    assert sum(map(len, partition(40, 5, name="iid", min_size=8))) == 40


def test_a_draw_that_never_gives_every_client_enough_is_refused_with_the_settings_to_change(recwarn):
    with pytest.raises(ConfigError) as caught:
        partition(600, 20, alpha=0.01, min_size=8)
    for text in ("partition.alpha = 0.01", "20 clients", "partition.min-size = 8", "600 training rows"):
        assert text in str(caught.value)
    assert len(recwarn) == 0


def test_the_defaults_divide_a_small_data_set_among_ten_clients():
    parts = partition_rows(labelled(3668, 2), "label", parse_settings({}).partition, 10, seed=1)
    assert min(map(len, parts)) >= 8


@pytest.mark.parametrize(("num_rows", "holdout", "kept"), [(10, 0.2, 2), (10, 0.01, 1), (2, 0.9, 1), (100, 0.999, 99)])
def test_holdout_keeps_a_share_and_leaves_a_row_on_each_side(num_rows, holdout, kept):
    rows = np.arange(num_rows) * 3
    train, held_out = split_holdout(rows, holdout, seed=1, partition_id=4)
    assert len(held_out) == kept
    assert np.array_equal(np.sort(np.concatenate([train, held_out])), rows)
    again = split_holdout(rows, holdout, seed=1, partition_id=4)
    assert np.array_equal(again[1], held_out)


def test_holdout_differs_between_partitions():
    rows = np.arange(100)
    assert not np.array_equal(split_holdout(rows, 0.3, 1, 0)[1], split_holdout(rows, 0.3, 1, 1)[1])


def test_no_holdout_keeps_nothing():
    train, held_out = split_holdout(np.arange(5), 0.0, seed=1, partition_id=0)
    assert np.array_equal(train, np.arange(5))
    assert len(held_out) == 0


def test_a_single_row_cannot_be_held_out():
    with pytest.raises(ConfigError, match=r"partition 3 has 1 rows.*partition.min-size"):
        split_holdout(np.arange(1), 0.5, seed=1, partition_id=3)
