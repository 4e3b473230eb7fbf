"""The vector of an upload: its words and back, and sums that no summands within the range add up to."""

import numpy as np
import pytest
import torch

from strategies.exchange.traffic import measure_traffic
from strategies.exchange.wire import Malformed
from strategies.protection.secure_sum.fixed_point import WORD_DTYPE, FixedPoint
from strategies.protection.secure_sum.masks import SignedMask
from strategies.protection.secure_sum.upload import (
    WEIGHT_KEY,
    mask_upload,
    predict_masked_upload,
    read_mean,
    unpack_words,
    vector_of,
)
from strategies.state import State

POINT = FixedPoint(num_clients=5, max_number=4.0, max_weight=10)
SIZES = {"6x5/A": (3, 2, 5), "head/values": (4,)}


def summand(seed=1, largest=4.0):
    draw = torch.Generator().manual_seed(seed)
    return State.from_flat({key: largest * (2 * torch.rand(size, generator=draw) - 1) for key, size in SIZES.items()})


def words_of(weight, masks=()):
    record = mask_upload(summand(), weight, POINT, masks)
    assert measure_traffic(record) == predict_masked_upload(SIZES)
    words = unpack_words(record, SIZES)
    assert not isinstance(words, Malformed)
    return words


def test_an_upload_without_masks_is_its_weight_and_its_weighted_numbers():
    vector = vector_of(words_of(7))
    mean = read_mean(vector, SIZES, POINT, 1)
    assert not isinstance(mean, Malformed)
    assert mean.weight == 7
    for key, tensor in summand().flat.items():
        torch.testing.assert_close(mean.tensors.flat[key], tensor.double(), rtol=0, atol=POINT.step / 2)


def test_the_weight_is_masked_as_all_words_are():
    plain, masked = words_of(7), words_of(7, [SignedMask(bytes(range(32)), 1)])
    assert int(plain.flat[WEIGHT_KEY].numpy()[0]) == 7
    assert not np.any(vector_of(plain) == vector_of(masked))


@pytest.mark.parametrize(("weight", "count"), [(0, 1), (2, 3), (31, 3), (2**63, 3), (2**64 - 1, 1)])
def test_weights_that_so_many_clients_cannot_have_are_no_sum(weight, count):
    vector = np.zeros(35, WORD_DTYPE)
    vector[0] = weight
    refused = read_mean(vector, SIZES, POINT, count)
    assert isinstance(refused, Malformed)
    assert f"sum to {weight}, beyond {count} .. {count * 10}" in refused.reason


@pytest.mark.parametrize("weight", [3, 30])
def test_weights_that_so_many_clients_may_have_are(weight):
    vector = np.zeros(35, WORD_DTYPE)
    vector[0] = weight
    assert not isinstance(read_mean(vector, SIZES, POINT, 3), Malformed)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_mean_beyond_the_range_of_a_summand_is_no_sum(sign):
    vector = np.zeros(35, WORD_DTYPE)
    vector[0] = 1
    vector[5] = np.array([sign * round(4.001 / POINT.step)], np.int64).view(np.uint64)[0]
    refused = read_mean(vector, SIZES, POINT, 1)
    assert isinstance(refused, Malformed)
    assert "beyond 4" in refused.reason
