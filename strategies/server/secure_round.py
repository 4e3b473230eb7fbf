"""The server's part of one secure sum: its query messages before and after the uploads, and what comes of them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from strategies.exchange.array_reader import Malformed
from strategies.exchange.screening import Rejected
from strategies.exchange.secure_step import Step
from strategies.exchange.traffic import Traffic
from strategies.protection.privacy import Release
from strategies.protection.secure_sum.fixed_point import WordVector
from strategies.protection.secure_sum.keys import KEY_BYTES, is_sound, transcript_of
from strategies.protection.secure_sum.messages import (
    LayoutError,
    Participants,
    pack_survivors,
    parse_dealt,
    parse_revealed,
)
from strategies.protection.secure_sum.rules import SecureSumRules
from strategies.protection.secure_sum.server_steps import UnmaskError, remove_masks, sort_parcels
from strategies.protection.secure_sum.upload import Sizes, WeightedMean, read_mean, vector_of
from strategies.state import State

Ask = Callable[[Step, Mapping[int, bytes]], Iterable[tuple[int, bytes | Rejected]]]
"""Sends each partition its bytes for a step, and returns one answer for each partition, as they come."""


class SecureRound:
    """One round's secure sum, step by step. After each step `reason` says why it cannot go on; empty where it can."""

    def __init__(self, rules: SecureSumRules, session: str, ask: Ask, used_keys: set[bytes]) -> None:
        """`used_keys`: all public keys of the run so far, to which those of this round are added."""
        self.reason = ""
        self.rejected: list[Rejected] = []
        """Clients that dropped out of a query step."""
        self.up, self.down = Traffic(), Traffic()
        """Of the query messages, and of the shares that ride on the train messages."""
        self.seconds = 0.0
        """Spent waiting for answers to queries."""
        self._rules, self._session, self._ask, self._used_keys = rules, session, ask, used_keys
        self._participants = Participants(0, {})
        self._checks: dict[int, bytes] = {}
        self._survivors: list[int] = []
        self._total: WordVector | None = None
        self._revealed: dict[int, dict[int, bytes]] = {}
        self._weight: int | None = None

    @property
    def count(self) -> int:
        """Of how many clients the sum is."""
        return len(self._survivors)

    def open(self, partitions: Sequence[int]) -> dict[int, bytes]:
        """Have keys made and shares dealt; return by partition what the train message of who is left carries."""
        self.reason = self._rules.refusal(len(partitions))
        if self.reason:
            return {}
        threshold = self._rules.threshold(len(partitions))
        answers = self._answers("keys", dict.fromkeys(partitions, b""))
        public = {p: keys for p, keys in sorted(answers.items()) if self._accepts_keys(p, keys)}
        self._participants = Participants(threshold, public)
        if not self._enough(public, "sent keys"):
            return {}
        answers = self._answers("shares", dict.fromkeys(public, self._participants.to_bytes()))
        sealed: dict[int, dict[int, bytes]] = {}
        for partition, data in sorted(answers.items()):
            try:
                self._checks[partition], sealed[partition] = parse_dealt(data, self._participants, partition)
            except LayoutError as error:
                self.rejected.append(Rejected(partition, f"secure sum, step shares: {error}"))
        if not self._enough(sealed, "dealt shares"):
            return {}
        parcels = sort_parcels(sealed)
        self.down += Traffic(wire_bytes=sum(map(len, parcels.values())))
        return parcels

    def add(self, partition: int, words: State) -> None:
        """Add one client's masked upload to the sum; once for each client, in any order."""
        assert partition in self._checks, f"partition {partition} dealt no shares"
        assert partition not in self._survivors, f"partition {partition} is in the sum already"
        self._survivors.append(partition)
        vector = vector_of(words)
        self._total = vector if self._total is None else np.add(self._total, vector, out=self._total)

    def lacks_uploads(self) -> bool:
        """Tell whether too few uploads were added for a sum; the `reason` then says so."""
        return bool(self.reason) or not self._enough(self._survivors, "uploaded")

    def close(self, sizes: Sizes) -> WeightedMean | None:
        """Have shares revealed and take the masks off the sum; None with the `reason`."""
        if self.lacks_uploads() or self._total is None:
            return None
        survivors, dealers = sorted(self._survivors), sorted(self._checks)
        for partition, data in self._answers("reveal", dict.fromkeys(survivors, pack_survivors(survivors))).items():
            try:
                self._revealed[partition] = parse_revealed(data, dealers)
            except LayoutError as error:
                self.rejected.append(Rejected(partition, f"secure sum, step reveal: {error}"))
        if not self._enough(self._revealed, "revealed shares"):
            return None
        transcript = transcript_of(self._session, self._participants.to_bytes())
        revealed = dict(sorted(self._revealed.items()))
        try:
            remove_masks(self._total, self._participants, transcript, self._checks, frozenset(survivors), revealed)
        except UnmaskError as error:
            self.reason = f"the secure sum cannot be unmasked: {error}"
            return None
        mean = read_mean(self._total, sizes, self._rules.point(len(self._participants.public)), len(survivors))
        if isinstance(mean, Malformed):
            self.reason = f"the secure sum is no sum of summands: {mean.reason}"
            return None
        self._weight = mean.weight
        return mean

    def as_dict(self) -> dict[str, Any]:
        """Count how many clients did each step, for the record; the sum of their weights is None without a sum."""
        return {
            "threshold": self._participants.threshold,
            "keys": len(self._participants.public),
            "shares": len(self._checks),
            "uploads": len(self._survivors),
            "revealed": len(self._revealed),
            "weight": self._weight,
        }

    def _answers(self, step: Step, data: Mapping[int, bytes]) -> dict[int, bytes]:
        """What the clients answered; who did not answer, or badly, is among the rejected."""
        start = time.monotonic()
        self.down += Traffic(wire_bytes=sum(map(len, data.values())))
        answers: dict[int, bytes] = {}
        for partition, answer in self._ask(step, data):
            if isinstance(answer, Rejected):
                self.rejected.append(Rejected(partition, f"secure sum, step {step}: {answer.reason}"))
            else:
                self.up += Traffic(wire_bytes=len(answer))
                answers[partition] = answer
        self.seconds += time.monotonic() - start
        return answers

    def _accepts_keys(self, partition: int, public: bytes) -> bool:
        """Whether both keys are usable and were never used before; notes them."""
        keys = {public[:KEY_BYTES], public[KEY_BYTES:]}
        if not is_sound(public) or len(keys) < 2:
            reason = f"{len(public)} bytes that are no two public keys"
        elif keys & self._used_keys:
            reason = "a public key that was used before in this run"
        else:
            self._used_keys |= keys
            return True
        self.rejected.append(Rejected(partition, f"secure sum, step keys: {reason}"))
        return False

    def _enough(self, partitions: Iterable[int], did: str) -> bool:
        """Whether so many clients are left that the round can go on; else the reason says so."""
        count, threshold = len(set(partitions)), self._participants.threshold
        if count < threshold:
            self.reason = (
                f"{count} clients {did}, and a secure sum needs {threshold}; privacy.max-dropouts = "
                f"{self._rules.max_dropouts}"
            )
        return not self.reason


def open_secure_sum(
    rules: SecureSumRules | None, session: str, ask: Ask, used_keys: set[bytes], partitions: Sequence[int]
) -> tuple[SecureRound | None, Mapping[int, bytes]]:
    """Begin a round's secure sum, and return what each client that is left gets with its train message.

    None, and nothing for anybody, where uploads are not summed securely.
    """
    if rules is None:
        return None, {}
    secure = SecureRound(rules, session, ask, used_keys)
    return secure, secure.open(partitions)


def counting_release(release: Release, secure: SecureRound) -> Release:
    """Make the release of the mean of a secure sum, which has as many clients as are in the sum."""
    return lambda unchanged, mean, _, sizes: release(unchanged, mean, secure.count, sizes)
