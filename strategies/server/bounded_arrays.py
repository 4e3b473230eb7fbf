"""A bound on what Flower makes of the bytes of one reply: a few bytes may ask it to build arrays without end.

An array travels as chunks, and names those that it consists of. One that names one chunk a million times is small on
the wire and huge once unpacked. Flower unpacks before anybody can look, so its own step is held to a budget here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flwr.app import Array


class _Budget(dict[str, Any]):
    """The chunks of an array; every use of one counts."""

    def __init__(self, chunks: dict[str, Any], spend: "Spending") -> None:
        super().__init__(chunks)
        self._spend = spend

    def __getitem__(self, name: str) -> Any:
        chunk = super().__getitem__(name)
        self._spend.count(len(chunk.data))
        return chunk


class Spending:
    """Bytes that may still be made."""

    def __init__(self, most: int) -> None:
        self.most = self._left = most

    def count(self, num_bytes: int) -> None:
        """Raise ValueError where that is more than what is left."""
        self._left -= num_bytes
        if self._left < 0:
            raise ValueError(f"its arrays have more than the {self.most} bytes that are expected")


@contextmanager
def bounded_arrays(most: int) -> Iterator[None]:
    """Within the block Flower unpacks arrays of at most so many bytes in all, and raises ValueError for more."""
    spending, inflate = Spending(most), Array.__dict__["inflate"]

    def bounded(cls: type[Array], object_content: bytes, children: dict[str, Any] | None = None) -> Array:
        return inflate.__get__(None, cls)(object_content, _Budget(children or {}, spending))

    Array.inflate = classmethod(bounded)  # pyright: ignore[reportAttributeAccessIssue]  # replaced on purpose
    try:
        yield
    finally:
        Array.inflate = inflate
