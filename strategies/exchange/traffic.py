"""What a round sends: numbers, payload bytes and wire bytes, predicted from the plan and measured on the wire."""

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod

import numpy as np
from flwr.app import ArrayRecord

from strategies.exchange.array_reader import WIRE_DTYPE, array_numbers, header_bytes
from strategies.exchange.codecs.codec import Codec
from strategies.state import HEAD, Shapes

SECURE_SUM = "secure-sum"
"""Name of the record with a secure sum's own bytes, and of the group of arrays beside a masked summand."""


@dataclass(frozen=True)
class Traffic:
    """One direction's traffic; adapters and head apart, since a head can outweigh all adapters.

    Numbers are those of the tensors that a message stands for, in however many bits they travel.
    `wire_bytes` is what Flower moves for the arrays: payload, each array's npy header, and the names; and of a secure
    sum the weights, keys and shares. Records of settings and metrics (some hundred bytes) and the transport's own
    framing are not in it.
    """

    adapter_numbers: int = 0
    adapter_payload_bytes: int = 0
    head_numbers: int = 0
    head_payload_bytes: int = 0
    wire_bytes: int = 0

    def __add__(self, other: "Traffic") -> "Traffic":
        mine, theirs = asdict(self), asdict(other)
        return Traffic(**{name: mine[name] + theirs[name] for name in mine})

    def __mul__(self, times: int) -> "Traffic":
        return Traffic(**{name: value * times for name, value in asdict(self).items()})


def predict_traffic(shapes: Mapping[str, tuple[int, ...]], dtype: np.dtype = WIRE_DTYPE) -> Traffic:
    """Return the traffic of one message that carries tensors of these shapes, by default in the wire's dtype."""
    total = Traffic()
    for key, shape in shapes.items():
        payload = prod(shape) * dtype.itemsize
        total += _one(key, prod(shape), payload, payload + _header_bytes(shape, dtype) + len(key))
    return total


def predict_coded(sizes: Mapping[str, tuple[int, ...]], codec: Codec, shapes: Shapes | None = None) -> Traffic:
    """Return the traffic of one message that carries tensors of these sizes in a codec: the numbers are theirs.

    `shapes` are those that the receiver expects, where not all sizes are known to it.
    """
    total = Traffic()
    for key, size in sizes.items():
        layout = size if shapes is None else shapes[key]
        wire = tuple(part or 0 for part in codec.wire_shape(layout, size))
        payload = codec.payload_bytes(size, layout)
        total += _one(key, prod(size), payload, payload + _header_bytes(wire, codec.dtype) + len(key))
    return total


def measure_traffic(record: ArrayRecord, sizes: Mapping[str, tuple[int, ...]] | None = None) -> Traffic:
    """Return the traffic of a message that was really sent or received, from its bytes.

    What a message claims of its arrays, their dtype and shape, does not count. `sizes` are those of the tensors that
    were read from it, by key, of which the numbers are; without them each has as many as its bytes hold.
    """
    total = Traffic()
    for key, array in record.items():
        payload = len(array.data) - header_bytes(array.data)
        numbers = array_numbers(array.data) if sizes is None else prod(sizes[key])
        total += _one(key, numbers, payload, len(array.data) + len(key))
    return total


def _one(key: str, numbers: int, payload: int, wire: int) -> Traffic:
    if key.startswith(f"{SECURE_SUM}/"):
        return Traffic(wire_bytes=wire)
    if key.startswith(f"{HEAD}/"):
        return Traffic(head_numbers=numbers, head_payload_bytes=payload, wire_bytes=wire)
    return Traffic(adapter_numbers=numbers, adapter_payload_bytes=payload, wire_bytes=wire)


def _header_bytes(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Length of the npy header that precedes an array of this shape."""
    buffer = io.BytesIO()
    description = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.tell()
