"""A client's masked upload: its weight and its summand as one vector of words, sent as an array per tensor."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from flwr.app import Array, ArrayRecord
from numpy.typing import NDArray

from strategies.exchange.array_reader import Malformed
from strategies.exchange.traffic import SECURE_SUM, Traffic, predict_traffic
from strategies.exchange.wire import unpack
from strategies.protection.secure_sum.fixed_point import WORD_DTYPE, FixedPoint, WordVector
from strategies.protection.secure_sum.masks import SignedMask, add_mask
from strategies.state import Shapes, State

WEIGHT_KEY = f"{SECURE_SUM}/weight"
"""Of the array with the one word of the weight, which comes first."""

Sizes = Mapping[str, tuple[int, ...]]
"""By wire key: the shapes of the summand's tensors, in the order of the wire."""


@dataclass(frozen=True)
class WeightedMean:
    """What a secure sum comes to."""

    tensors: State
    """float64"""
    weight: int
    """The sum of the weights."""


def mask_upload(summand: State, weight: int, point: FixedPoint, masks: Iterable[SignedMask]) -> ArrayRecord:
    """Encode a summand, as float32, with its weight, add the masks, and pack the words. Raises RangeError."""
    point.check_weight(weight)
    arrays = [tensor.detach().to("cpu", torch.float32).numpy() for tensor in summand.flat.values()]
    vector = np.concatenate(
        [np.array([weight], WORD_DTYPE), *(point.encode(array.ravel(), weight) for array in arrays)]
    )
    for mask in masks:
        add_mask(vector, mask.key, mask.sign)
    words = _split(vector, summand.sizes)
    return ArrayRecord({key: Array(array) for key, array in words.items()})


def unpack_words(record: ArrayRecord, sizes: Shapes, rank: int = 0) -> State | Malformed:
    """Read the words of a masked upload by key, uint64, or say why not: every name, dtype and shape is checked.

    The rank of its client does not matter: all are padded to the largest.
    """
    expected = {WEIGHT_KEY: (1,), **sizes}
    return unpack(record, expected, WORD_DTYPE)


def vector_of(words: State) -> WordVector:
    """Return all words of an upload as one vector, in the order of the wire."""
    return np.concatenate([tensor.numpy().ravel() for tensor in words.flat.values()]).astype(WORD_DTYPE, copy=False)


def read_mean(total: WordVector, sizes: Sizes, point: FixedPoint, count: int) -> WeightedMean | Malformed:
    """Return the weighted mean of `count` summands from the sum of their vectors, once its masks are off.

    Malformed where no summands within the range add up to it: some client encoded or masked something else.
    """
    weight = int(total[0])
    if not count <= weight <= count * point.max_weight:
        return Malformed(
            f"the weights of {count} clients sum to {weight}, beyond {count} .. {count * point.max_weight}"
        )
    mean = point.decode_mean(total[1:], weight)
    if mean.size and (largest := float(np.abs(mean).max())) > point.max_number + point.step:
        return Malformed(f"the mean has a number of {largest:.3g}, beyond {point.max_number:g}")
    parts = _split(np.concatenate([np.zeros(1), mean]), sizes)
    return WeightedMean(State.from_flat({key: torch.from_numpy(parts[key]) for key in sizes}), weight)


def predict_masked_upload(sizes: Sizes) -> Traffic:
    """Predict one masked upload: a word for each number, and the weight, which counts on the wire alone."""
    return predict_traffic({WEIGHT_KEY: (1,), **sizes}, WORD_DTYPE)


def _split(vector: NDArray, sizes: Sizes) -> dict[str, NDArray]:
    shapes = {WEIGHT_KEY: (1,), **sizes}
    ends = np.cumsum([prod(shape) for shape in shapes.values()])
    assert ends[-1] == vector.size, f"{vector.size} words for {ends[-1]}"
    parts = np.split(vector, ends[:-1])
    return {key: part.reshape(shape) for (key, shape), part in zip(shapes.items(), parts, strict=True)}
