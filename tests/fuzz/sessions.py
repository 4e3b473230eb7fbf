"""Whole runs in which any answer may be changed: who a node is, the steps of a secure sum, and what was trained."""

import traceback
from collections.abc import Callable, Mapping
from random import Random

from flwr.app import Message

from florg_app.engines.inline import InProcessGrid
from florg_app.reports import summary
from strategies.methods.fedit import FedIT
from strategies.protection.secure_sum.rules import SecureSumRules
from tests.fuzz.harness import Tally, kept
from tests.fuzz.mutations import MUTATIONS
from tests.fuzz.packed import with_changed_bytes
from tests.support.fakes import Run, ToyClient

NUM_CLIENTS, ROUNDS, SHARE = 4, 2, 0.15
"""Of the answers, the share that is changed."""

SECURE = {"secure_sum": SecureSumRules(max_dropouts=1, max_number=256.0), "weighting": "uniform"}


class OpenGrid(InProcessGrid):
    """Changes answers of every kind as they travel."""

    def __init__(self, client: ToyClient, run_config: Mapping, num_clients: int) -> None:
        super().__init__(client, run_config, num_clients)
        self.tamper: Callable[[Message], Message] = lambda reply: reply

    def pull_messages(self, message_ids):
        return [self.tamper(reply) for reply in super().pull_messages(message_ids)]


def play_session(r: Random, secure: bool, tally: Tally) -> None:
    """Run a federation from the first question to the last round; whatever ends it is an escape."""

    def tamper(reply: Message) -> Message:
        if r.random() > SHARE:
            return reply
        tally.replies += 1
        tally.reasons[reply.metadata.message_type] += 1
        return tampered(r, reply)

    rules = SECURE if secure else {}
    try:
        run = Run(
            FedIT(), NUM_CLIENTS, grid_type=OpenGrid, diagnostics=False, min_clients=2, max_skipped=10**9, **rules
        )
        run.grid.tamper = tamper
        run.go(ROUNDS)
        for record in run.records:
            summary.progress_line(kept(record.as_dict()), ROUNDS)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        tally.escapes.append(f"{type(error).__name__}: {error!s:.200} ({where.name})")


def tampered(r: Random, reply: Message) -> Message:
    """The answer with other content, with other bytes, or both; as it is where a change does not fit its kind."""
    if r.random() < 0.6:
        try:
            reply = r.choice(MUTATIONS)(r, reply)
        except (KeyError, IndexError):  # it has no such record
            return reply
        if r.random() < 0.8:
            return reply
    return with_changed_bytes(r, reply)
