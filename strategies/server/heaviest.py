"""The uploads whose weights may still be lowered, held so that a running sum can be put right."""

from collections.abc import Iterator, Sequence

from strategies.state import Tensors


class HeaviestUploads:
    """The raw weights of a round's uploads in their order, and the few heaviest of the uploads themselves."""

    def __init__(self, most_lowered: int) -> None:
        """most_lowered: how many weights may be lowered, as `strategies.protection.robust.most_lowered` says."""
        self.weights: list[float] = []
        self._most_lowered = most_lowered
        self._held: list[tuple[int, Tensors]] = []
        """With their numbers, the heaviest first."""

    def add(self, upload: Tensors, weight: float) -> None:
        """Take note of the next upload."""
        self.weights.append(weight)
        held = [*self._held, (len(self.weights) - 1, upload)]
        self._held = sorted(held, key=lambda one: self.weights[one[0]], reverse=True)[: self._most_lowered]

    def lowered(self, weights: Sequence[float]) -> Iterator[tuple[Tensors, float]]:
        """Yield each upload whose weight is another one now, and by how much: what a sum with the raw ones lacks."""
        for number, upload in self._held:
            if weights[number] != self.weights[number]:
                yield upload, weights[number] - self.weights[number]
