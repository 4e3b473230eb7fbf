"""Messages out, replies in: one by one, as they arrive, each with what its message was for."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from flwr.app import Message
from flwr.serverapp import Grid
from google.protobuf.message import DecodeError

from strategies.exchange.foreign_text import safe_text, shown_value
from strategies.server.bounded_arrays import bounded_arrays

_T = TypeVar("_T")

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two looks for replies; the pause doubles while nothing comes."""

OF_THE_BYTES = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
    MemoryError,
    EOFError,
    DecodeError,
)
"""What unpacking a stranger's bytes may raise. A failing network is none of these, and ends the run."""


@dataclass(frozen=True)
class Unreadable:
    """A reply that came but that Flower could not unpack, or that says that it is another's."""

    reason: str


Reply = Message | Unreadable


def collect(
    grid: Grid,
    messages: Sequence[tuple[Message, _T]],
    timeout: float,
    most_bytes: int,
    unanswered: dict[str, _T] | None = None,
) -> Iterator[tuple[_T, Reply]]:
    """Push messages and yield each reply as it arrives, until all have answered or `timeout` seconds are over.

    Flower's `Grid.send_and_receive` returns only when all replies are in memory. Which message a reply answers is what
    the SuperLink says, which has checked it; what the reply says itself its sender may have made up.

    Args:
        grid: Flower's.
        messages: each with something of the caller's that says what it is for; its reply comes with the same.
        timeout: in seconds.
        most_bytes: that the arrays of one reply may have; a reply with more is unreadable.
        unanswered: gets the ids of messages without an answer in time, for `late_replies`.
    """
    if not messages:
        return
    pushed = {message_id for message_id in grid.push_messages([message for message, _ in messages]) if message_id}
    waiting = {m.metadata.message_id: purpose for m, purpose in messages if m.metadata.message_id in pushed}
    deadline, pause = time.monotonic() + timeout, FIRST_PAUSE
    while waiting and time.monotonic() < deadline:
        came = False
        for message_id, purpose in list(waiting.items()):
            for reply in _pull(grid, message_id, most_bytes):
                waiting.pop(message_id, None)
                came = True
                yield purpose, reply
            if time.monotonic() >= deadline:
                break
        if waiting and not came:
            time.sleep(pause)
        pause = FIRST_PAUSE if came else min(2 * pause, LONGEST_PAUSE)
    if unanswered is not None:
        unanswered.update(waiting)


def late_replies(grid: Grid, unanswered: dict[str, _T], most_bytes: int) -> Iterator[tuple[_T, Reply]]:
    """Yield what has come meanwhile to messages that `collect` waited for in vain, without waiting; ids are dropped."""
    for message_id, purpose in list(unanswered.items()):
        for reply in _pull(grid, message_id, most_bytes):
            unanswered.pop(message_id, None)
            yield purpose, reply


def _pull(grid: Grid, message_id: str, most_bytes: int) -> Sequence[Reply]:
    """The reply to one message, if it is there.

    One at a time: what Flower unpacks together it also loses together, where it stumbles over the bytes of one client.
    """
    try:
        with bounded_arrays(most_bytes):
            replies = list(grid.pull_messages([message_id]))
    except OF_THE_BYTES as error:
        return [Unreadable(f"its reply cannot be unpacked: {type(error).__name__}: {safe_text(str(error), 200)}")]
    return [_checked(reply, message_id) for reply in replies]


def _checked(reply: object, message_id: str) -> Reply:
    """A reply, if it is what it should be: Flower unpacks whatever object the bytes name."""
    if not isinstance(reply, Message):
        return Unreadable(f"its reply is {shown_value(reply)}, expected a message")
    if reply.metadata.reply_to_message_id != message_id:
        return Unreadable("its reply says that it answers another message than that to which it came")
    return reply
