"""Replies one by one, as they arrive."""

import time
from collections.abc import Iterator, Sequence

from flwr.app import Message
from flwr.serverapp import Grid

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two looks for replies; the pause doubles while nothing comes."""


def collect(grid: Grid, messages: Sequence[Message], timeout: float) -> Iterator[Message]:
    """Push the messages and yield each reply as it arrives, until all have answered or `timeout` seconds are over.

    Flower's `Grid.send_and_receive` returns only when all replies are in memory.
    """
    if not messages:
        return
    waiting = {message_id for message_id in grid.push_messages(messages) if message_id}
    deadline, pause = time.monotonic() + timeout, FIRST_PAUSE
    while waiting and time.monotonic() < deadline:
        replies = list(grid.pull_messages(list(waiting)))
        for reply in replies:
            waiting.discard(reply.metadata.reply_to_message_id)
            yield reply
        if waiting and not replies:
            time.sleep(pause)
        pause = FIRST_PAUSE if replies else min(2 * pause, LONGEST_PAUSE)
