"""Use uploads in partition order, whatever the order of their arrival: the same uploads give the same bits."""

from collections import deque
from collections.abc import Callable, Iterable

from strategies.screen import Upload


class InOrder:
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
