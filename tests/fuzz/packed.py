"""What a stranger may make of the bytes in which a reply travels."""

import json
from random import Random

from flwr.app import Message

from tests.support.flower_internals import pack_objects, unpack_objects

DIVIDER = b"\x00"
"""Between the head of an object, "type children length", and its body."""


def change_objects(r: Random, objects: dict[str, bytes]) -> dict[str, bytes]:
    """Change one object of a packed reply, or two."""
    changed = dict(objects)
    for _ in range(r.choice([1, 1, 2])):
        name = r.choice(sorted(changed))
        way = r.choice([_bits, _cut, _longer, _noise, _gone, _swapped, _head, _body])
        way(r, changed, name)
    return changed


def _bits(r: Random, objects: dict[str, bytes], name: str) -> None:
    data = bytearray(objects[name])
    for _ in range(r.choice([1, 1, 16])):
        if data:
            data[r.randrange(len(data))] ^= 1 << r.randrange(8)
    objects[name] = bytes(data)


def _cut(r: Random, objects: dict[str, bytes], name: str) -> None:
    objects[name] = objects[name][: r.randrange(len(objects[name]) + 1)]


def _longer(r: Random, objects: dict[str, bytes], name: str) -> None:
    objects[name] += bytes(r.randrange(256) for _ in range(r.randrange(1, 64)))


def _noise(r: Random, objects: dict[str, bytes], name: str) -> None:
    objects[name] = bytes(r.randrange(256) for _ in range(r.randrange(200)))


def _gone(r: Random, objects: dict[str, bytes], name: str) -> None:
    if len(objects) > 1:
        del objects[name]


def _swapped(r: Random, objects: dict[str, bytes], name: str) -> None:
    objects[name] = objects[r.choice(sorted(objects))]


def _head(r: Random, objects: dict[str, bytes], name: str) -> None:
    """Another type, other children, another length."""
    head, _, body = objects[name].partition(DIVIDER)
    kind, children, length = [*head.decode("utf-8", "replace").split(" "), "", "", ""][:3]
    kind = r.choice([kind, "Message", "RecordDict", "ArrayRecord", "Array", "ArrayChunk", "MetricRecord", "Error", ""])
    children = r.choice([children, "", name, ",".join([children] * 3), ",".join(sorted(objects)), "a" * 64])
    length = r.choice([length, "0", "-1", "9" * 30, "x"])
    objects[name] = f"{kind} {children} {length}".encode() + DIVIDER + body


def _body(r: Random, objects: dict[str, bytes], name: str) -> None:
    """Other words in an object that describes itself in JSON; one whose bytes are none gets some."""
    head, _, body = objects[name].partition(DIVIDER)
    try:
        document = json.loads(body)
    except ValueError:
        document = {}
    if isinstance(document, dict) and document and r.random() < 0.8:
        document[r.choice(sorted(document))] = r.choice(
            [None, -1, [], [0] * 200_000, [0, 0], [10**9], ["0"], [[0]], {}, "x", 1e308, True, [-1], "9" * 64]
        )
        body = json.dumps(document).encode()
    else:
        body = r.choice([b"", b"{}", b"[]", b"null", b"[" * 100_000, b'{"a":' * 50_000, b"9" * 10_000, b"\xff\xfe"])
    length = str(len(body)).encode()
    objects[name] = b" ".join([*head.split(b" ")[:2], length]) + DIVIDER + body


def with_changed_bytes(r: Random, reply: Message) -> Message:
    """The reply as it is unpacked from changed bytes; as it is where Flower's own client could not pack it."""
    try:
        message_id, objects = reply.object_id, pack_objects(reply)
    except (TypeError, ValueError):
        return reply
    return unpack_objects(message_id, change_objects(r, objects))
