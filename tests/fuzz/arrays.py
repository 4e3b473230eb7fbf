"""What a stranger may send in place of an array's bytes."""

import io
import pickle
import zipfile
from collections.abc import Callable
from random import Random

import numpy as np

CALLED: list[str] = []
"""Filled by a pickle that was loaded: it must stay empty."""


def called() -> None:
    CALLED.append("a pickle ran")


class _Caller:
    def __reduce__(self):
        return called, ()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3, np.float32))
    return buffer.getvalue()


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", b"no array")
    return buffer.getvalue()


def npy_with(header: bytes, payload: bytes, version: bytes = b"\x01\x00", length: int | None = None) -> bytes:
    """An array's bytes with this header, whatever it says."""
    size = len(header) if length is None else length
    return b"\x93NUMPY" + version + (size % 2**16).to_bytes(2, "little") + header + payload


def _header(descr: str = "'<f4'", order: str = "False", shape: str = "(3, 2, 5)") -> bytes:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()


SHAPES = (
    "(1000000000000,)",
    "(" + "9" * 30 + ",)",
    "(-1,)",
    "(3, 2)",
    "(3, 2, 5, 1)",
    "()",
    "(0,)",
    "(1.0,)",
    "(True,)",
    "(2, 5",
    "((((",
    "(3,2,5)",
    "(03, 2, 5)",
    "(1" + ", 1" * 5000 + ")",
    "(" * 3000 + ")" * 3000,
    "__import__('os')",
)
DTYPES = ("'<f8'", "'>f4'", "'V0'", "'U500000000'", "'O'", "[('a', '<f4')]", "'<M8[s]'", "'|S1'", "'<f4' * 10**9", "''")
WHOLE_FILES = (b"", b"\x93", b"\x93NUMPY", b"PK\x03\x04", _npz(), _zip(), _npy(np.array([_Caller()], object)))


def changed_bytes(r: Random, data: bytes) -> bytes:
    payload = data[128:]
    ways: list[Callable[[], bytes]] = [
        lambda: data,
        lambda: r.choice(WHOLE_FILES),
        lambda: data[: r.randrange(len(data) + 1)],
        lambda: data + bytes(r.randrange(1, 9)),
        lambda: _flipped(r, data, 0, 128),
        lambda: _flipped(r, data, 0, len(data)),
        lambda: _with_value(r, data),
        lambda: npy_with(_header(shape=r.choice(SHAPES)), payload),
        lambda: npy_with(_header(descr=r.choice(DTYPES)), payload),
        lambda: npy_with(_header(order=r.choice(["True", "0", "None", "1" * 4000])), payload),
        lambda: npy_with(_header(), payload, length=r.choice([0, 1, 65535, 40000])),
        lambda: npy_with(_header(), payload, version=r.choice([b"\x02\x00", b"\x03\x00", b"\xff\xff", b"\x01\x01"])),
        lambda: npy_with(bytes(r.randrange(256) for _ in range(118)), payload),
        lambda: npy_with(b"[" * r.choice([10, 60_000]), payload),
        lambda: npy_with(_header(), pickle.dumps(_Caller())),
        lambda: _npy(np.full(r.choice([(3, 2, 5), (1, 2, 4), (9,), (1, 2, 5), (3, 5, 2), ()]), 0.5, np.float32)),
    ]
    return r.choice(ways)()


def changed_codes(r: Random, data: bytes) -> bytes:
    """Other steps, codes, values and places of an array in a codec, whose header stays as it is."""
    payload = bytearray(data[128:])
    words = [np.float32(value).tobytes() for value in (np.nan, np.inf, -np.inf, -1.0, 3e38, 1e-45, 0.0)]
    runs = [b"\x00" * 4, b"\xff" * 4, b"\x0f" * 2, b"\xf0", b"\x00", b"\xff", *words]
    for _ in range(r.choice([1, 1, 6])):
        run = r.choice(runs)
        place = r.choice([0, r.randrange(len(payload)), max(0, len(payload) - len(run))])
        payload[place : place + len(run)] = run[: len(payload) - place]
    if r.random() < 0.2:
        r.shuffle(payload)
    return data[:128] + bytes(payload)


def _flipped(r: Random, data: bytes, start: int, end: int) -> bytes:
    changed = bytearray(data)
    for _ in range(r.choice([1, 1, 8])):
        changed[r.randrange(start, min(end, len(changed)))] ^= 1 << r.randrange(8)
    return bytes(changed)


def _with_value(r: Random, data: bytes) -> bytes:
    value = np.float32(r.choice([np.nan, np.inf, -np.inf, 3e38, 1.9e19, -1e30, 1e-45, 0.0]))
    place = 128 + 4 * r.randrange((len(data) - 128) // 4)
    return data[:place] + value.tobytes() + data[place + 4 :]
