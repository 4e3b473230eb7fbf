"""The replies of a round: screened as they arrive, each client settled once, those that never came named."""

from collections.abc import Callable, Collection, Iterable, Sequence

from flwr.app import Message

from strategies.inorder import InOrder
from strategies.manifest import State
from strategies.ranks import sizes
from strategies.robust import within_bound
from strategies.screen import Asked, Rejected, Upload, screen


def receive(
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
    order = InOrder((client.partition for _, client in sent), held.append if bound else use)
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
    order: InOrder,
) -> Iterable[Rejected]:
    asked: dict[str, Asked] = {}
    for reply in replies:
        # Here and not above: a message has its id once it was pushed, and replies come after that.
        asked = asked or {message.metadata.message_id: client for message, client in sent}
        client = asked.get(reply.metadata.reply_to_message_id)
        partition = None if client is None else client.partition
        verdict = screen(reply, client, t, lambda rank: sizes(like(rank)))
        if partition is not None and partition not in order.unsettled:
            verdict = Rejected(partition, "a second reply in one round")
        elif partition is not None:
            order.settle(partition, verdict if isinstance(verdict, Upload) else None)
        if isinstance(verdict, Rejected):
            yield verdict
    for partition in order.unsettled:
        order.settle(partition, None)
        yield Rejected(partition, "no reply before the time-out")
