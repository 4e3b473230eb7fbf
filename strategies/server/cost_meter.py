"""What the server's part of a round costs: operations and memory, measured over its phases as they come and go."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from strategies.flops import counter

SERVER_FLOPS, SERVER_PEAK = "server-flops", "server-peak-memory-bytes"


@runtime_checkable
class PeakMemory(Protocol):
    """A high-water mark of memory that can be set back; the application has one for each device."""

    def reset(self) -> bool:
        """Begin a new measurement; False where that is impossible."""
        ...

    def read(self) -> int | None:
        """Return the most that was held since the reset, in bytes; None where nobody knows."""
        ...


class CostMeter:
    """Adds up the phases of one round: uploads are folded in between waits, which are not measured.

    server-flops: as `strategies.flops` counts them. server-peak-memory-bytes: the most that was held during any phase,
    what was held before it included (state, uploads, model); None without a `memory` that can measure it.
    """

    def __init__(self, memory: PeakMemory | None = None, wanted: bool = True) -> None:
        """Not `wanted`: nothing is measured, nothing reported, and a phase costs nothing."""
        self._memory, self._wanted = memory, wanted
        self._flops = 0
        self._peaks: list[int | None] = []

    @contextmanager
    def phase(self) -> Iterator[None]:
        """Measure the block as a further part of the round; an error in it passes."""
        if not self._wanted:
            yield
            return
        can = self._memory is not None and self._memory.reset()
        with counter() as mode:
            yield
        self._flops += int(mode.get_total_flops())
        self._peaks.append(self._memory.read() if can and self._memory is not None else None)

    def as_dict(self) -> dict[str, int | None]:
        """Return both numbers so far, for the round's record; {} where they are not wanted."""
        if not self._wanted:
            return {}
        known = [peak for peak in self._peaks if peak is not None]
        whole = bool(known) and len(known) == len(self._peaks)
        return {SERVER_FLOPS: self._flops, SERVER_PEAK: max(known) if whole else None}
