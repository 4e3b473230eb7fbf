"""Messages out, replies in: one by one, as they arrive, each with what its message was for."""

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from flwr.app import Message
from flwr.serverapp import Grid

_T = TypeVar("_T")

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two looks for replies; the pause doubles while nothing comes."""


def collect(grid: Grid, messages: Sequence[tuple[Message, _T]], timeout: float) -> Iterator[tuple[_T | None, Message]]:
    """Push messages and yield each reply as it arrives, until all have answered or `timeout` seconds are over.

    A message comes with something of the caller's that says what it is for, which its reply then comes with; None
    stands with a reply to none of them. Flower's `Grid.send_and_receive` returns only when all replies are in memory.
    """
    if not messages:
        return
    waiting = {message_id for message_id in grid.push_messages([message for message, _ in messages]) if message_id}
    purposes = {message.metadata.message_id: purpose for message, purpose in messages}
    deadline, pause = time.monotonic() + timeout, FIRST_PAUSE
    while waiting and time.monotonic() < deadline:
        replies = list(grid.pull_messages(list(waiting)))
        for reply in replies:
            waiting.discard(reply.metadata.reply_to_message_id)
            yield purposes.get(reply.metadata.reply_to_message_id), reply
        if waiting and not replies:
            time.sleep(pause)
        pause = FIRST_PAUSE if replies else min(2 * pause, LONGEST_PAUSE)
