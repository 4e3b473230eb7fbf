"""What a stranger may make of a reply before it is packed: arrays, metrics, records, errors; all by a random source."""

import io
import pickle
import zipfile
from collections.abc import Callable, Mapping
from random import Random

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict

from strategies.exchange.wire import ARRAYS, CONFIG, METRICS, ROUND
from strategies.flower_internals import assign_message_id
from tests.support.flower_internals import put_unchecked

Mutation = Callable[[Random, Message], Message]

TEXTS = (
    "",
    "disk full",
    "line\nbreak",
    "\r",
    "\x85next line",
    "\u2028separator\u2029",
    "[/red] [bold]loud[/bold]",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "\u202eright to left",
    "<script>alert(1)</script>",
    "a | b | c",
    "\ud800",
    "\x00",
    "%s %d {} {0}",
    "x" * 100_000,
    "[" * 5_000,
)
NUMBERS = (0, 1, -1, 1.5, 2**31, 2**63 - 1, 2**63, 10**18, 10**400, 1e30, 1e308, -1e308, 5e-324, float("nan"))
INFINITE = (float("inf"), float("-inf"))
VALUES = (*NUMBERS, *INFINITE, [], [1, 2], [float("nan")], True, None, "a text", b"bytes", {"a": 1}, [[[]]])

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


def change_array(r: Random, reply: Message) -> Message:
    """Other bytes, other claims, or other values of one array."""
    record = reply.content.array_records[ARRAYS]
    key = r.choice(sorted(record))
    old = record[key]
    data = _changed_bytes(r, old.data)
    if r.random() < 0.3:
        shape = r.choice([(10**30,), (), (-1,), (3, 2, 5), (2**62,) * 8])
        record[key] = Array(r.choice(["float32", "V0", "U999999999", "object", "\u2028"]), shape, r.choice(TEXTS), data)
    else:
        record[key] = Array(old.dtype, old.shape, old.stype, data)
    return reply


def _changed_bytes(r: Random, data: bytes) -> bytes:
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


def _flipped(r: Random, data: bytes, start: int, end: int) -> bytes:
    changed = bytearray(data)
    for _ in range(r.choice([1, 1, 8])):
        changed[r.randrange(start, min(end, len(changed)))] ^= 1 << r.randrange(8)
    return bytes(changed)


def _with_value(r: Random, data: bytes) -> bytes:
    value = np.float32(r.choice([np.nan, np.inf, -np.inf, 3e38, 1.9e19, -1e30, 1e-45, 0.0]))
    place = 128 + 4 * r.randrange((len(data) - 128) // 4)
    return data[:place] + value.tobytes() + data[place + 4 :]


def change_keys(r: Random, reply: Message) -> Message:
    """Arrays that are missing, renamed, or too many."""
    record = reply.content.array_records[ARRAYS]
    keys = sorted(record)
    way = r.randrange(4)
    if way == 0:
        record.pop(r.choice(keys))
    elif way == 1:
        record[r.choice(TEXTS)] = record.pop(r.choice(keys))
    elif way == 2:
        record[r.choice(["6x5/C", "extra", "head/", "/", "6x5/A/A"])] = record[r.choice(keys)]
    else:
        some = record[keys[0]]
        for number in range(r.choice([10, 2000])):
            record[f"9x9/{number}"] = some
    return reply


def change_metrics(r: Random, reply: Message) -> Message:
    """Metrics of other values, names and numbers."""
    record = reply.content.metric_records[METRICS]
    names = [
        *record,
        "peak-memory-bytes",
        "seconds",
        "skipped-rows",
        "flops",
        "own-examples",
        "own-accuracy",
        "loss-last",
    ]
    way = r.randrange(4)
    if way == 0:
        record.pop(r.choice(sorted(record)))
    elif way == 1:
        record[r.choice(["own-", "", "peak-", "OWN-"]) + r.choice(TEXTS)] = r.choice([1, 0.5])
    elif way == 2:
        for number in range(r.choice([70, 3000])):
            record[f"m{number}"] = 1
    else:
        for _ in range(r.choice([1, 1, 3])):
            put_unchecked(record, r.choice(names), r.choice(VALUES))
    return reply


def change_config(r: Random, reply: Message) -> Message:
    """Another round, or something else in its place."""
    values = [0, -1, 1.0, True, "1", b"1", [1], 2**70, float("nan"), *TEXTS]
    config: Mapping = {ROUND: r.choice(values)} if r.random() < 0.8 else {}
    return _replaced(reply, {CONFIG: ConfigRecord(dict(config))})


def change_records(r: Random, reply: Message) -> Message:
    """Records that are missing, of another kind, renamed, or too many."""
    content = dict(reply.content)
    name, other = r.choice([ARRAYS, METRICS, CONFIG]), r.choice(TEXTS) or "x"
    records = [ArrayRecord(), MetricRecord(), ConfigRecord({"a": "b"}), ConfigRecord({"partition-id": "2"})]
    way = r.randrange(5)
    if way == 0:
        content.pop(name)
    elif way == 1:
        content[name] = r.choice(records)
    elif way == 2:
        content[other] = content.pop(name)
    elif way == 3:
        content |= {f"{other[:20]}{number}": r.choice(records) for number in range(r.choice([1, 1000]))}
    else:
        content = {}
    return Message(RecordDict(content), reply_to=_asked(reply))


def change_into_error(r: Random, reply: Message) -> Message:
    """A client that failed, in words of its own choice."""
    code = r.choice([0, 2, -5, 10**9])
    return Message(Error(code, "".join(r.choice(TEXTS) for _ in range(r.choice([1, 3])))), reply_to=_asked(reply))


def _replaced(reply: Message, records: Mapping) -> Message:
    return Message(RecordDict({**reply.content, **records}), reply_to=_asked(reply))


def _asked(reply: Message) -> Message:
    """A message that a new reply can be made for, in place of the one that was answered."""
    message = Message(RecordDict(), reply.metadata.src_node_id, "train")
    assign_message_id(message, reply.metadata.reply_to_message_id)
    return message


MUTATIONS: tuple[Mutation, ...] = (
    change_array,
    change_array,
    change_array,
    change_keys,
    change_metrics,
    change_metrics,
    change_config,
    change_records,
    change_into_error,
)
