"""The replies of a round: validated as they arrive, each client settled once, uploads used in partition order."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence

from flwr.app import Message

from strategies.exchange.ranks import sizes
from strategies.exchange.screening import Asked, Rejected, Upload, validate_reply
from strategies.protection.robust import within_bound
from strategies.state import State


class PartitionOrder:
    """Hands each upload on as soon as all clients before it are settled, and drops it.

    Floating-point sums depend on their order. Holding back only what came early keeps memory at the few uploads that
    overtook a slower client instead of all of them.
    """

    def __init__(self, partitions: Iterable[int], use: Callable[[Upload], None]) -> None:
        self._next = deque(sorted(partitions))
        self._held: dict[int, Upload | None] = {}
        self._use = use

    @property
    def unsettled(self) -> list[int]:
        return [partition for partition in self._next if partition not in self._held]

    def settle(self, partition: int, upload: Upload | None) -> None:
        """This client has answered; None when its answer is not used."""
        self._held[partition] = upload
        while self._next and self._next[0] in self._held:
            ready = self._held.pop(self._next.popleft())
            if ready is not None:
                self._use(ready)


def accept_replies(
    replies: Iterable[Message],
    sent: Sequence[tuple[Message, Asked]],
    t: int,
    like: Callable[[int], State],
    use: Callable[[Upload], None],
    bound: float = 0.0,
    exempt: Collection[str] = (),
) -> list[Rejected]:
    """Use the good uploads of round t in partition order, each as early as that allows; what is not used, and why.

    like: by rank, an upload that changed nothing. With a `bound` on the norms of changes, in medians of them and over
    all keys but the `exempt` ones, all uploads are held until the last client is settled.
    """
    held: list[Upload] = []
    order = PartitionOrder((client.partition for _, client in sent), held.append if bound else use)
    rejected = list(_settle(replies, sent, t, like, order))
    kept, beyond = within_bound(held, like, bound, exempt)
    for upload in kept:
        use(upload)
    return rejected + beyond


def _settle(
    replies: Iterable[Message],
    sent: Sequence[tuple[Message, Asked]],
    t: int,
    like: Callable[[int], State],
    order: PartitionOrder,
) -> Iterable[Rejected]:
    asked: dict[str, Asked] = {}
    for reply in replies:
        # Here and not above: a message has its id once it was pushed, and replies come after that.
        asked = asked or {message.metadata.message_id: client for message, client in sent}
        client = asked.get(reply.metadata.reply_to_message_id)
        partition = None if client is None else client.partition
        verdict = validate_reply(reply, client, t, lambda rank: sizes(like(rank)))
        if partition is not None and partition not in order.unsettled:
            verdict = Rejected(partition, "a second reply in one round")
        elif partition is not None:
            order.settle(partition, verdict if isinstance(verdict, Upload) else None)
        if isinstance(verdict, Rejected):
            yield verdict
    for partition in order.unsettled:
        order.settle(partition, None)
        yield Rejected(partition, "no reply before the time-out")
