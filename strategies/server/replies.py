"""The replies of a round: validated as they arrive, each client settled once, uploads in partition order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from strategies.exchange.screening import ArraysReader, Asked, Rejected, Upload, read_plain, validate_reply
from strategies.protection.robust import within_bound
from strategies.server.polling import Reply, Unreadable
from strategies.state import Shapes

Verdict = Upload | Rejected


class PartitionOrder:
    """Hands each upload on as soon as all clients before it are settled.

    Floating-point sums depend on their order. Holding back only what came early keeps memory at the few uploads that
    overtook a slower client instead of all of them.
    """

    def __init__(self, partitions: Iterable[int]) -> None:
        self._next = deque(sorted(partitions))
        self._held: dict[int, Upload | None] = {}

    @property
    def unsettled(self) -> list[int]:
        """The clients that have not answered yet."""
        return [partition for partition in self._next if partition not in self._held]

    def settle(self, partition: int, upload: Upload | None) -> Iterator[Upload]:
        """Take a client's answer, None where it is not used, and yield the uploads whose turn has come."""
        self._held[partition] = upload
        while self._next and self._next[0] in self._held:
            ready = self._held.pop(self._next.popleft())
            if ready is not None:
                yield ready


def accept_replies(
    answers: Iterable[tuple[Asked | None, Reply]],
    partitions: Iterable[int],
    t: int,
    shapes: Callable[[int], Shapes],
    read: ArraysReader = read_plain,
) -> Iterator[Verdict]:
    """Validate the replies of round t and yield the rejected ones, and valid uploads in partition order.

    An upload is yielded as soon as all earlier clients are settled; a client that does not answer is settled at the
    end.

    Args:
        answers: each reply with what its message asked for; None where it answers no message of the round.
        partitions: the clients that were asked.
        t: the round.
        shapes: the wire keys and shapes of an upload of a rank.
        read: what makes the tensors of an upload of its arrays.
    """
    order = PartitionOrder(partitions)
    for asked, reply in answers:
        if asked is not None and asked.partition not in order.unsettled:
            yield Rejected(asked.partition, "a second reply in one round")
            continue
        if isinstance(reply, Unreadable):
            verdict = Rejected(None if asked is None else asked.partition, reply.reason)
        else:
            verdict = validate_reply(reply, asked, t, shapes, read)
        if isinstance(verdict, Rejected):
            yield verdict
        if asked is not None:
            yield from order.settle(asked.partition, verdict if isinstance(verdict, Upload) else None)
    for partition in order.unsettled:
        yield Rejected(partition, "no reply before the time-out")
        yield from order.settle(partition, None)


def reject_beyond_bound(
    verdicts: Iterable[Verdict], norms: Callable[[Sequence[Upload]], Sequence[float]], bound: float
) -> Iterator[Verdict]:
    """Hold all uploads until the last client is settled; then yield those within the bound, and the others rejected.

    `norms` are those of the changes, see `within_bound`. Uploads keep their order.
    """
    held: list[Upload] = []
    for verdict in verdicts:
        if isinstance(verdict, Rejected):
            yield verdict
        else:
            held.append(verdict)
    kept, beyond = within_bound(held, norms(held), bound)
    yield from kept
    yield from beyond
