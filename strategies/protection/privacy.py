"""Client-level differential privacy: each client's change clipped, Gaussian noise on it or on the round's mean.

Neighbouring federations differ in one client, whose rows are there or are replaced by none ("zero-out": its change is
then zero, the number of clients stays). Replacing its rows by others doubles the sensitivity. LOCAL tensors, which a
client keeps to itself, are treated as part of its private data set. The samples of the rounds come from the run's
public seed, so no amplification by sampling is claimed. The noise is drawn in double precision from a generator that is
no cryptographic one, and rounded to float32: this withstands who reads the numbers, not who attacks their last bits
(Mironov, CCS 2012).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from strategies.protection.accountant import epsilon
from strategies.protection.robust import change_norm
from strategies.rng import private_generator
from strategies.state import Shape, State, Tensors

Where = Literal["client", "server"]
"""Who adds the noise: each client, before it sends, or the server, which is trusted with the clipped changes."""

Release = Callable[[Tensors, Tensors, int, Mapping[str, Shape]], Tensors]
"""(what no change would give, the mean of a group's uploads, their number, the sizes of what travels by symbol) -> what
may be used of that mean."""


@dataclass(frozen=True)
class Privacy:
    """The mechanism of every round."""

    noise_multiplier: float
    """Standard deviation of the noise in units of the sensitivity, > 0."""
    clip: float
    """The largest L2 norm of a client's change, over all that it uploads."""
    delta: float
    where: Where = "client"

    def on_client(self, tensors: State, unchanged: State, rng: np.random.Generator) -> State:
        """What a client may upload of its tensors: clipped, and where the noise is the client's, noised.

        One upload then has sensitivity `clip`, and whatever the server makes of it is as private as it is.
        """
        own = clipped(tensors, unchanged, self.clip)
        return noised(own, self.noise_multiplier * self.clip, rng) if self.where == "client" else own


class PrivacyLedger:
    """The server's side of a run: its noise, and what the run has cost the client that was asked most often."""

    def __init__(self, privacy: Privacy, rng: np.random.Generator | None = None) -> None:
        """rng: of the noise, by default a private one."""
        self.privacy = privacy
        self.asked: dict[int, int] = {}
        """By partition: in how many rounds a client was asked for an upload; a part of the state."""
        self._rng = rng or private_generator()

    def resume(self, asked: Mapping[str, int]) -> None:
        """Go on from the counts of a checkpoint, keys as JSON has them; what was asked after it is not in them."""
        self.asked = {int(partition): int(times) for partition, times in asked.items()}

    def begin(self, partitions: Iterable[int]) -> dict[str, float]:
        """Count a round for these clients; the guarantee of the run so far, for the round's record."""
        for partition in partitions:
            self.asked[partition] = self.asked.get(partition, 0) + 1
        times, privacy = max(self.asked.values(), default=0), self.privacy
        spent = epsilon(privacy.noise_multiplier, times, privacy.delta)
        return {"epsilon": spent, "delta": privacy.delta, "rounds": times}

    def release(self, expected: int) -> Release | None:
        """Noise on the mean over `expected` clients, asked for an upload; None where clients add it.

        Who did not answer counts as one that changed nothing, so that the denominator depends on no client, and one
        client moves the mean by at most clip / expected.
        """
        if self.privacy.where == "client":
            return None
        std = self.privacy.noise_multiplier * self.privacy.clip / expected

        def release(unchanged: Tensors, mean: Tensors, count: int, sizes: Mapping[str, Shape]) -> Tensors:
            share = count / expected
            moved = {symbol: unchanged[symbol] + share * (mean[symbol] - unchanged[symbol]) for symbol in mean}
            for symbol, tensor in moved.items():
                sent = tensor[tuple(map(slice, sizes[symbol]))]  # the rest is padding, which no client's rows reach
                sent += _noise(sent, std, self._rng)
            return moved

        return release

    @property
    def clip_of_decoded(self) -> float | None:
        """The norm to which the server clips the change of a coded upload; None where its noise is the client's.

        A codec rounds what was clipped before, and adds what earlier uploads left over, so that the noise on the mean
        covers what is sent only once it is clipped again. Noise of a client's own is below the codec: what is made of a
        noised upload, with roundings that follow from the public seed and rests of earlier ones, is as private.
        """
        return self.privacy.clip if self.privacy.where == "server" else None

    @property
    def upload_variance(self) -> float:
        """That of the noise on each number of an upload; 0 where the server adds it."""
        privacy = self.privacy
        return (privacy.noise_multiplier * privacy.clip) ** 2 if privacy.where == "client" else 0.0


def clipped(tensors: State, unchanged: State, clip: float) -> State:
    """unchanged + d min(1, clip / ||d||), d = tensors - unchanged over all groups together; float64."""
    norm = change_norm(tensors, unchanged)
    factor = min(1.0, clip / norm) if norm else 1.0
    before = unchanged.map(Tensor.double).flat
    return tensors.zip(before, lambda now, start: start + factor * (now.double() - start))


def noised(tensors: State, std: float, rng: np.random.Generator) -> State:
    """The tensors with independent N(0, std^2) on every number."""
    return tensors.map(lambda tensor: tensor + _noise(tensor, std, rng))


def _noise(tensor: Float[Tensor, "*s"], std: float, rng: np.random.Generator) -> Float[Tensor, "*s"]:
    return torch.from_numpy(rng.normal(0.0, std, tuple(tensor.shape))).to(tensor)
