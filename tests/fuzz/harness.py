"""Rounds in which some replies were changed, beside the same rounds without the clients whose replies were rejected."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from flwr.app import Message

from florg_app.engines.inline import FIRST_NODE, InProcessGrid
from florg_app.reports import summary
from florg_app.reports.history import parse_history
from florg_app.reports.json_text import json_line
from strategies import METHODS
from strategies.method import Method
from strategies.protection.robust import Robustness
from tests.fuzz.arrays import CALLED
from tests.fuzz.mutations import MUTATIONS, answered
from tests.fuzz.packed import change_objects
from tests.support.fakes import Run, ToyClient
from tests.support.flower_internals import pack_objects, unpack_objects

NAMES = ("florg", "fedit", "fedex-lora", "hetlora", "flora")
NUM_CLIENTS, ROUNDS_OF_A_RUN = 5, 40
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


class Duel:
    """Two federations of one method that begin every round alike."""

    def __init__(self, method: Method, bound: float) -> None:
        policy = {"max_skipped": 10**9, "robust": Robustness(norm_bound=bound, max_share=0.5), "round_timeout": 60.0}
        self.tampered, self.control = (Run(method, NUM_CLIENTS, grid_type=TamperingGrid, **policy) for _ in range(2))
        self.t = 0

    def round(self, r: Random, tally: Tally) -> None:
        """One round with one to all clients changed."""
        self.t += 1
        changed = r.sample(range(NUM_CLIENTS), r.choice([1, 1, 1, 2, 2, 3, NUM_CLIENTS]))
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
            keep_and_show(record.as_dict())
            assert not CALLED, "a pickle was loaded"
        except Exception as error:
            tally.escapes.append(f"round {self.t}: {type(error).__name__}: {error!s:.300}")

    def _changed(self, r: Random, reply: Message) -> Message:
        """The reply after a change of what it holds, of the bytes in which it travels, or of both."""
        way = r.random()
        try:
            if way < 0.7:
                reply = r.choice(MUTATIONS)(r, reply)
        except Exception as error:
            raise BrokenFuzz(f"{type(error).__name__}: {error}") from error
        if way < 0.6:
            return reply
        try:
            message_id, objects = reply.object_id, pack_objects(reply)
        except (TypeError, ValueError):  # Flower's own client would not send this
            return reply
        return unpack_objects(message_id, change_objects(r, objects))

    def _compare(self, used: Mapping[int, Message], record) -> None:
        """Run the round once more with the replies that were used, and without the other clients."""

        def replay(partition: int, reply: Message) -> Message:
            if partition not in used:
                raise ValueError("absent")
            return Message(used[partition].content, reply_to=answered(reply))

        control = self.control
        control.grid.tamper = replay
        control.federation.run(control.grid, [self.t], lambda t, state: None)
        again = control.records.pop()
        assert [u.partition for u in again.accepted] == [u.partition for u in record.accepted], "others are accepted"
        assert bool(again.skipped) == bool(record.skipped), f"skipped: {record.skipped!r} and {again.skipped!r}"
        one, other = self.tampered.state.flat, control.state.flat
        assert one.keys() == other.keys(), "another layout"
        assert all(one[key].equal(other[key]) for key in one), "another state than that without the rejected clients"


def keep_and_show(record: dict) -> None:
    """Write a round's record to a history, read it, and make of it what people read."""
    text = json_line(record)
    parsed = parse_history(text.encode())
    assert parsed.rest == [], "the record cannot be read back"
    assert len(parsed.records) == 1, "the record is more than one line"
    summary.progress_line(parsed.records[0], 10)
    totals = summary.summarise_run(parsed.records, 10)
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


def fuzz(num_replies: int, seed: int, name: str, bound: float, tally: Tally) -> None:
    """Feed so many changed replies to a method's rounds; a new run begins after ROUNDS_OF_A_RUN."""
    end, begun = tally.replies + num_replies, 0
    while tally.replies < end:
        duel = Duel(METHODS[name](), bound)
        for number in range(ROUNDS_OF_A_RUN):
            if tally.replies >= end:
                return
            duel.round(Random(f"{seed} {name} {bound} {begun} {number}"), tally)
        begun += 1
