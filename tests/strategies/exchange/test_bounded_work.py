"""A bad reply costs the server no more than its own size: what is done for one is counted, not timed."""

import json
import sys
from collections.abc import Callable

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict

from strategies.exchange import metrics as metrics_module
from strategies.exchange import wire
from strategies.exchange.hello import parse_hello
from strategies.exchange.screening import Asked, Rejected, validate_reply
from strategies.exchange.wire import ARRAYS, CONFIG, EXAMPLES, METRICS, PARTITION, RANK, ROUND
from strategies.flower_internals import task_identity
from strategies.methods.fedit import FedIT
from strategies.server.bounded_arrays import bounded_arrays
from tests.support.fakes import initial_state, manifest_of
from tests.support.flower_internals import pack_objects, unpack_objects

MANIFEST = manifest_of(FedIT())
FEW, MANY = 500, 4000


@pytest.fixture(autouse=True)
def _identity():
    with task_identity():
        yield


def honest() -> RecordDict:
    arrays = wire.pack(initial_state(FedIT(), MANIFEST), MANIFEST.uplink)
    own = MetricRecord({PARTITION: 1, EXAMPLES: 10, RANK: MANIFEST.rank, "loss": 0.5})
    return RecordDict({ARRAYS: arrays, METRICS: own, CONFIG: ConfigRecord({ROUND: 1})})


def answer(content: RecordDict) -> Message:
    return Message(content, reply_to=Message(RecordDict(), 5, "train"))


def some_array() -> Array:
    return Array(np.zeros((3, 2, 5), np.float32))


def extra_arrays(number: int) -> Message:
    content, one = honest(), some_array()
    content.array_records[ARRAYS].update({f"9x9/{n}": one for n in range(number)})
    return answer(content)


def other_arrays(number: int) -> Message:
    one = some_array()
    return answer(RecordDict({**honest(), ARRAYS: ArrayRecord({f"9x9/{n}": one for n in range(number)})}))


def extra_metrics(number: int) -> Message:
    content = honest()
    content.metric_records[METRICS].update({f"own-{n}": 1 for n in range(number)})
    return answer(content)


def extra_records(number: int) -> Message:
    return answer(RecordDict({**honest(), **{f"r{n}": ConfigRecord() for n in range(number)}}))


def extra_words(number: int) -> Message:
    content = honest()
    content[CONFIG] = ConfigRecord({f"w{n}": [0] * 9 for n in range(number)})
    return answer(content)


def long_name(number: int) -> Message:
    content = honest()
    content.metric_records[METRICS]["own-" + "[\u2028\x1b" * number] = 1
    return answer(content)


def long_error(number: int) -> Message:
    return Message(Error(2, "[a\u2028\x1b[/red]" * number), reply_to=Message(RecordDict(), 5, "train"))


def nested_header(number: int) -> Message:
    content = honest()
    key = next(iter(MANIFEST.uplink))
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': " + b"(" * number + b")" * number + b", }\n"
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    content.array_records[ARRAYS][key] = Array("float32", (1,), "numpy.ndarray", data)
    return answer(content)


KINDS = [
    extra_arrays,
    other_arrays,
    extra_metrics,
    extra_records,
    extra_words,
    long_name,
    long_error,
    nested_header,
]


def calls_of(work: Callable[[], object]) -> int:
    """How many functions it calls, those of libraries and of Python itself among them."""
    count = 0

    def notice(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(notice)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_work_for_a_bad_reply_grows_no_faster_than_the_reply(kind):
    few, many = kind(FEW), kind(MANY)
    verdicts = []

    def screen(reply: Message) -> Callable[[], None]:
        asked = Asked(1, MANIFEST.rank, scores=True)
        return lambda: verdicts.append(validate_reply(reply, asked, 1, lambda rank: MANIFEST.uplink))

    calls_of(screen(few))  # what is imported or compiled the first time
    work, more = calls_of(screen(few)), calls_of(screen(many))
    assert more <= work * 1.1 * MANY / FEW
    assert all(isinstance(verdict, Rejected) and len(verdict.reason) < 3000 for verdict in verdicts)


@pytest.mark.parametrize("kind", [extra_arrays, other_arrays], ids=lambda kind: kind.__name__)
def test_no_array_is_read_of_a_reply_that_has_others_than_those_expected(kind, monkeypatch):
    monkeypatch.setattr(wire, "read_array", lambda *_: pytest.fail("it is read"))
    validate_reply(kind(MANY), Asked(1, MANIFEST.rank), 1, lambda rank: MANIFEST.uplink)


def test_no_metric_is_looked_at_where_there_are_too_many(monkeypatch):
    monkeypatch.setattr(metrics_module, "metric_spec", lambda name: pytest.fail("it is looked at"))
    validate_reply(extra_metrics(MANY), Asked(1, MANIFEST.rank, scores=True), 1, lambda rank: MANIFEST.uplink)


def test_the_work_for_a_nodes_answer_does_not_grow_with_what_else_is_in_it():
    def of(number: int) -> int:
        own = MetricRecord({PARTITION: 1, **{f"m{n}": n for n in range(number)}})
        content = RecordDict({METRICS: own, **{f"r{n}": ConfigRecord() for n in range(number)}})
        return calls_of(lambda: parse_hello(content))

    of(FEW)
    assert of(MANY) <= of(FEW) * 1.1 * MANY / FEW


@pytest.mark.parametrize("number", [FEW, MANY])
def test_an_object_that_many_name_is_unpacked_once(number, monkeypatch):
    """Else a record of n names of one record of n arrays of n chunks would become n^3 objects."""
    content = RecordDict({f"r{n}": honest()[ARRAYS] for n in range(3)})
    message = answer(content)
    objects = pack_objects(message)
    (name,) = [key for key, data in objects.items() if data.startswith(b"RecordDict ")]
    head, _, body = objects[name].partition(b"\0")
    arrays = next(iter(json.loads(body).values()))
    words = json.dumps({f"r{n}": arrays for n in range(number)}).encode()
    objects[name] = b" ".join([*head.split(b" ")[:2], str(len(words)).encode()]) + b"\0" + words
    made = []
    inflate = Array.__dict__["inflate"]

    def counted(cls, data, children=None):
        made.append(1)
        return inflate.__get__(None, cls)(data, children)

    monkeypatch.setattr(Array, "inflate", classmethod(counted))
    with bounded_arrays(10**6):
        unpacked = unpack_objects(message.object_id, objects)
    assert len(unpacked.content) == number
    assert len(made) <= len(MANIFEST.uplink)
