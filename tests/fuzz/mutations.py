"""What a stranger may make of a reply before it is packed: arrays, metrics, records, errors; all by a random source."""

from collections.abc import Callable, Mapping
from random import Random

from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict

from strategies.exchange.wire import ARRAYS, CONFIG, METRICS, ROUND
from strategies.flower_internals import assign_message_id
from tests.fuzz.arrays import changed_bytes, changed_codes
from tests.support.flower_internals import ENVELOPE, put_unchecked, set_unchecked

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


def change_array(r: Random, reply: Message) -> Message:
    """Other bytes, other claims, or other values of one array."""
    record = reply.content.array_records[ARRAYS]
    key = r.choice(sorted(record))
    old = record[key]
    data = changed_bytes(r, old.data)
    if r.random() < 0.3:
        shape = r.choice([(10**30,), (), (-1,), (3, 2, 5), (2**62,) * 8])
        record[key] = Array(r.choice(["float32", "V0", "U999999999", "object", "\u2028"]), shape, r.choice(TEXTS), data)
    else:
        record[key] = Array(old.dtype, old.shape, old.stype, data)
    return reply


def change_codes(r: Random, reply: Message) -> Message:
    """Other codes in one array, which is of the right length and kind."""
    record = reply.content.array_records[ARRAYS]
    key = r.choice(sorted(record))
    old = record[key]
    record[key] = Array(old.dtype, old.shape, old.stype, changed_codes(r, old.data))
    return reply


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
    return Message(RecordDict(content), reply_to=answered(reply))


def change_into_error(r: Random, reply: Message) -> Message:
    """A client that failed, in words of its own choice."""
    code = r.choice([0, 2, -5, 10**9])
    return Message(Error(code, "".join(r.choice(TEXTS) for _ in range(r.choice([1, 3])))), reply_to=answered(reply))


def change_envelope(r: Random, reply: Message) -> Message:
    """Who sent it to whom, in which run, of what type, as an answer to what, and when."""
    for name in r.sample(ENVELOPE, r.choice([1, 1, 3])):
        set_unchecked(reply, name, r.choice([*NUMBERS, None, "", "query", "train.x", *TEXTS]))
    return reply


def _replaced(reply: Message, records: Mapping) -> Message:
    return Message(RecordDict({**reply.content, **records}), reply_to=answered(reply))


def answered(reply: Message) -> Message:
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
    change_envelope,
)
