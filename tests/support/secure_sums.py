"""A secure sum step by step without messages: clients that leave after any step, and all bytes on their way at hand."""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from strategies.protection.secure_sum.client_steps import (
    DealtSecrets,
    HeldShares,
    deal_shares,
    open_parcel,
    reveal_shares,
)
from strategies.protection.secure_sum.fixed_point import WORD_DTYPE, WordVector
from strategies.protection.secure_sum.keys import Entropy, RoundKeys, make_round_keys, transcript_of
from strategies.protection.secure_sum.masks import add_mask
from strategies.protection.secure_sum.messages import Participants, parse_dealt, parse_revealed
from strategies.protection.secure_sum.server_steps import remove_masks, sort_parcels

SESSION = "run first 1"


def seeded_entropy(seed: int) -> Entropy:
    """The same bytes each time, and others at every call."""
    calls = iter(range(10**9))
    return lambda count: hashlib.shake_256(f"{seed} {next(calls)}".encode()).digest(count)


def random_words(seed: int, size: int) -> WordVector:
    return np.random.default_rng(seed).integers(0, 2**64, size, np.uint64).astype(WORD_DTYPE)


@dataclass
class SecureRound:
    """Clients 3, 10, 17, ... and what each knows; `gone` holds who left before which step."""

    count: int
    max_dropouts: int
    seed: int = 1
    size: int = 37
    gone: dict[str, set[int]] = field(default_factory=dict)
    session: str = SESSION

    def __post_init__(self) -> None:
        self.entropy = seeded_entropy(self.seed)
        self.everybody = [3 + 7 * index for index in range(self.count)]
        self.vectors = {p: random_words(p, self.size) for p in self.everybody}
        self.keys: dict[int, RoundKeys] = {}
        self.dealt: dict[int, DealtSecrets] = {}
        self.sealed: dict[int, dict[int, bytes]] = {}
        self.checks: dict[int, bytes] = {}
        self.held: dict[int, HeldShares] = {}
        self.masked: dict[int, WordVector] = {}
        self.revealed: dict[int, dict[int, bytes]] = {}

    def present(self, step: str) -> list[int]:
        """Who does this step: all that did the steps before it and have not left."""
        steps = ("keys", "shares", "upload", "reveal")
        left = set().union(*(self.gone.get(earlier, set()) for earlier in steps[: steps.index(step) + 1]))
        return [p for p in self.everybody if p not in left]

    def advertise(self) -> None:
        self.keys = {p: make_round_keys(self.entropy) for p in self.present("keys")}
        public = {p: keys.public for p, keys in self.keys.items()}
        self.participants = Participants(self.count - self.max_dropouts, public)

    def deal(self) -> None:
        data = self.participants.to_bytes()
        for p in self.present("shares"):
            self.dealt[p], sent = deal_shares(self.keys[p], p, data, self.session, self.max_dropouts, self.entropy)
            self.checks[p], self.sealed[p] = parse_dealt(sent, self.participants, p)

    def upload(self) -> None:
        parcels = sort_parcels(self.sealed)
        for p in self.present("upload"):
            self.held[p], masks = open_parcel(self.dealt[p], p, self.session, parcels[p])
            self.masked[p] = self.vectors[p].copy()
            for mask in masks:
                add_mask(self.masked[p], mask.key, mask.sign)

    def reveal(self) -> None:
        survivors = np.array(self.present("upload"), "<u4").tobytes()
        for p in self.present("reveal"):
            self.revealed[p] = parse_revealed(reveal_shares(self.held[p], p, survivors), sorted(self.sealed))

    def total(self) -> WordVector:
        """The sum that the server comes to."""
        transcript = transcript_of(self.session, self.participants.to_bytes())
        total = modular_sum(self.masked.values())
        remove_masks(total, self.participants, transcript, self.checks, frozenset(self.masked), self.revealed)
        return total

    def run(self) -> WordVector:
        self.advertise()
        self.deal()
        self.upload()
        self.reveal()
        return self.total()

    @property
    def plain_sum(self) -> WordVector:
        """Of those whose upload came, without any mask."""
        return modular_sum(self.vectors[p] for p in self.present("upload"))


def modular_sum(vectors) -> WordVector:
    return np.array([sum(int(word) for word in column) % 2**64 for column in zip(*vectors, strict=True)], WORD_DTYPE)
