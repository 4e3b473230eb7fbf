"""Rounds in which some replies were changed, beside the same rounds without the clients whose replies were rejected."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import torch
from flwr.app import Context, Message

from florg_app.engines.inline import FIRST_NODE, InProcessGrid
from florg_app.reports import summary
from florg_app.reports.history import parse_history
from florg_app.reports.json_text import json_line
from florg_app.reports.summary import Record
from strategies import METHODS
from strategies.exchange.codecs.table import CODECS, CodecName, Wire
from strategies.flower_internals import task_identity
from strategies.method import Method
from strategies.protection.robust import Robustness
from tests.fuzz.arrays import CALLED
from tests.fuzz.mutations import MUTATIONS, change_codes
from tests.fuzz.packed import with_changed_bytes
from tests.support.fakes import Run, ToyClient

NAMES = ("florg", "fedit", "fedex-lora", "hetlora", "flora")
CODED = ("bfloat16", "int8", "int4", "top-k")
"""Codecs, with each of which the uploads of one method travel."""
NUM_CLIENTS, ROUNDS_OF_A_RUN = 6, 40
BOUND = 3.0

_LISTED = re.compile(r"'\.\.\.'(?:, '\.\.\.')+(?: and N more)?")
_NUMBER, _QUOTED = re.compile(r"-?\d[\d.e+-]*"), re.compile(r"'[^']*'")


@dataclass
class Tally:
    """What came of the replies so far."""

    replies: int = 0
    accepted: int = 0
    """Changed ones that are as good as others: a loss of 1 instead of 2."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Of rejections, without their numbers and names."""
    escapes: list[str] = field(default_factory=list)
    """Whatever was not a rejected client: an exception, another state, a record that cannot be kept or shown."""

    def add(self, other: "Tally") -> None:
        """Count what another one has counted as well."""
        self.replies += other.replies
        self.accepted += other.accepted
        self.reasons += other.reasons
        self.escapes += other.escapes


class BrokenFuzz(BaseException):
    """A mistake in this program: no server may take it for a bad reply."""


class TamperingGrid(InProcessGrid):
    """Packs, changes and unpacks the replies of some clients, as they would travel."""

    def __init__(self, client: ToyClient, run_config: Mapping, num_clients: int) -> None:
        super().__init__(client, run_config, num_clients)
        self.tamper: Callable[[int, Message], Message] | None = None

    def pull_messages(self, message_ids):
        for reply in super().pull_messages(message_ids):
            untouched = self.tamper is None or reply.metadata.message_type != "train"
            return [reply if untouched else self.tamper(reply.metadata.src_node_id - FIRST_NODE, reply)]
        return []


class ReplayingGrid(InProcessGrid):
    """Gives once more the replies that were used elsewhere, without training; all other clients fail."""

    def __init__(self, client: ToyClient, run_config: Mapping, num_clients: int) -> None:
        super().__init__(self._replay, run_config, num_clients)
        self._asked = client
        self.used: Mapping[int, Message] = {}
        """By partition."""

    def _replay(self, message: Message, context: Context) -> Message:
        if message.metadata.message_type != "train":
            return self._asked(message, context)
        return Message(self.used[int(context.node_config["partition-id"])].content, reply_to=message)


class Duel:
    """Two federations of one method that begin every round alike."""

    def __init__(self, method: Method, bound: float, codec: CodecName = "float32") -> None:
        policy = {"max_skipped": 10**9, "robust": Robustness(norm_bound=bound, max_share=0.5), "round_timeout": 60.0}
        policy["wire"] = Wire(CODECS[codec](0.3))
        self._coded = codec != "float32"
        self.tampered = Run(method, NUM_CLIENTS, grid_type=TamperingGrid, **policy)
        self.control = Run(method, NUM_CLIENTS, grid_type=ReplayingGrid, diagnostics=False, **policy)
        self.t = 0
        self.history: list[Record] = []
        """The records of the rounds as they were read again."""

    def round(self, r: Random, tally: Tally) -> None:
        """One round with one to all clients changed."""
        self.t += 1
        changed = r.sample(range(NUM_CLIENTS), r.randint(1, NUM_CLIENTS))
        delivered: dict[int, Message] = {}
        tally.replies += len(changed)

        def tamper(partition: int, reply: Message) -> Message:
            delivered[partition] = self._changed(r, reply) if partition in changed else reply
            return delivered[partition]

        run, record = self.tampered, None
        self.control.federation.state, self.control.federation.ranks = run.state, dict(run.federation.ranks)
        try:
            run.grid.tamper = tamper
            run.federation.run(run.grid, [self.t], lambda t, state: None)
            record = run.records.pop()
            accepted = [upload.partition for upload in record.accepted]
            tally.accepted += len(set(accepted) & set(changed))
            for rejected in record.rejected:
                tally.reasons[_kind(rejected.reason)] += 1
            self._compare({partition: delivered[partition] for partition in accepted}, record)
            self.history.append(kept(record.as_dict()))
            summary.progress_line(self.history[-1], ROUNDS_OF_A_RUN)
            assert not CALLED, "a pickle was loaded"
        except Exception as error:
            tally.escapes.append(f"round {self.t}: {type(error).__name__}: {error!s:.300}")

    def end(self, tally: Tally) -> None:
        """Make of all rounds what people read of a run."""
        try:
            show(self.history)
        except Exception as error:
            tally.escapes.append(f"summary of {self.t} rounds: {type(error).__name__}: {error!s:.300}")

    def _changed(self, r: Random, reply: Message) -> Message:
        """The reply after a change of what it holds, of the bytes in which it travels, or of both."""
        if self._coded and r.random() < 0.4:
            return change_codes(r, reply)
        way = r.random()
        try:
            if way < 0.7:
                reply = r.choice(MUTATIONS)(r, reply)
        except Exception as error:
            raise BrokenFuzz(f"{type(error).__name__}: {error}") from error
        if way < 0.6:
            return reply
        return with_changed_bytes(r, reply)

    def _compare(self, used: Mapping[int, Message], record) -> None:
        """Run the round once more with the replies that were used, and without the other clients."""
        control = self.control
        control.grid.used = used
        control.federation.run(control.grid, [self.t], lambda t, state: None)
        again = control.records.pop()
        assert [u.partition for u in again.accepted] == [u.partition for u in record.accepted], "others are accepted"
        assert bool(again.skipped) == bool(record.skipped), f"skipped: {record.skipped!r} and {again.skipped!r}"
        one, other = self.tampered.state.flat, control.state.flat
        assert one.keys() == other.keys(), "another layout"
        assert all(one[key].equal(other[key]) for key in one), "another state than that without the rejected clients"


def kept(record: Mapping) -> Record:
    """Write a round's record to a history, and read it."""
    parsed = parse_history(json_line(record).encode())
    assert parsed.rest == [], "the record cannot be read back"
    assert len(parsed.records) == 1, "the record is more than one line"
    return parsed.records[0]


def show(records: Sequence[Record]) -> None:
    """Make the table of a run with these rounds."""
    totals = summary.summarise_run(records, len(records))
    settings = {"strategy.name": "a", "task.name": "b"}
    shown = summary.summary_table(
        {**totals, "status": "completed", "reason": "", "settings": settings}
        | {"seconds": {**totals["seconds"], "total": 1.0}}
    )
    assert "\x1b" not in shown, "an escape sequence reaches the terminal"


def _kind(reason: str) -> str:
    """A reason without what is of one reply alone."""
    for beginning in ("its reply cannot be unpacked: ", "error "):
        if reason.startswith(beginning):
            return beginning + reason.removeprefix(beginning).partition(":")[0]
    words = _NUMBER.sub("N", _QUOTED.sub("'...'", reason))
    return " ".join(_LISTED.sub("'...'", words).split())[:110]


def fuzz(num_replies: int, seed: int, name: str, bound: float, tally: Tally, codec: CodecName = "float32") -> None:
    """Feed so many changed replies to a method's rounds; a new run begins after ROUNDS_OF_A_RUN."""
    end, begun = tally.replies + num_replies, 0
    while tally.replies < end:
        duel = Duel(METHODS[name](), bound, codec)
        for number in range(ROUNDS_OF_A_RUN):
            if tally.replies >= end:
                break
            coded = "" if codec == "float32" else f" {codec}"
            duel.round(Random(f"{seed} {name} {bound} {begun} {number}{coded}"), tally)
        duel.end(tally)
        begun += 1


def fuzz_alone(num_replies: int, seed: int, name: str, bound: float, codec: CodecName = "float32") -> Tally:
    """Feed so many changed replies to one method, in a process of its own."""
    logging.getLogger("flwr").setLevel(logging.CRITICAL)
    torch.set_num_threads(1)
    tally = Tally()
    with task_identity():
        fuzz(num_replies, seed, name, bound, tally, codec)
    return tally
