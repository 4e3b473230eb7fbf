"""A client's part in a run's secure sums: what it knows between the messages of a round, and what it answers.

That is in Context.state alone, never on a disk: a client that was started anew within a round has lost its keys,
refuses the next step, and counts as dropped out.
"""

from dataclasses import dataclass
from typing import TypeVar

from flwr.app import ConfigRecord, Context, RecordDict

from florg_app.client_side.secure_records import Knowledge, from_record, to_record
from strategies.exchange.secure_step import StepRequest, step_answer
from strategies.exchange.traffic import SECURE_SUM
from strategies.exchange.wire import RefusalError
from strategies.protection.secure_sum.client_steps import (
    DealtSecrets,
    HeldShares,
    deal_shares,
    open_parcel,
    reveal_shares,
)
from strategies.protection.secure_sum.fixed_point import FixedPoint
from strategies.protection.secure_sum.keys import RoundKeys, make_round_keys
from strategies.protection.secure_sum.masks import SignedMask
from strategies.protection.secure_sum.messages import parse_participants
from strategies.protection.secure_sum.rules import SecureSumRules

_SESSION, _ATTEMPT, _SUMMED = "session", "attempt", "summed"

K = TypeVar("K", RoundKeys, DealtSecrets, HeldShares)


@dataclass(frozen=True)
class OpenedSum:
    """A round's secure sum as this client may add to it: how numbers are encoded, and which masks hide them."""

    point: FixedPoint
    masks: tuple[SignedMask, ...]
    held: HeldShares
    """What is left to know once the upload is made."""


class SecureSumClient:
    """What one client knows of the current round's secure sum; every step is answered once, in its order."""

    def __init__(self, context: Context, rules: SecureSumRules, partition: int, request: StepRequest) -> None:
        self._context, self._rules, self._partition, self._request = context, rules, partition, request
        self._record = context.state.config_records.get(SECURE_SUM, ConfigRecord())

    def answer(self) -> RecordDict:
        """Make the content of the answer to a query step. Raises RefusalError."""
        return step_answer(self.take_step(), self._request.context.t, self._partition)

    def take_step(self) -> bytes:
        """Do a query step: return its bytes and remember what the next needs. Raises RefusalError."""
        session, data = self._request.session, self._request.data
        match self._request.step:
            case "keys":
                self._refuse_second_sum()
                keys = make_round_keys()
                self._remember(keys)
                return keys.public
            case "shares":
                keys = self._known(RoundKeys)
                dealt, sent = deal_shares(keys, self._partition, data, session, self._rules.max_dropouts)
                self._remember(dealt)
                return sent
            case "reveal":
                revealed = reveal_shares(self._known(HeldShares), self._partition, data)
                self._remember(None)
                return revealed
            case "upload":
                raise RefusalError("an upload is no query of the secure sum")

    def open(self) -> OpenedSum:
        """Return what the upload of this train message needs; nothing is forgotten yet. Raises RefusalError."""
        if self._request.step != "upload":
            raise RefusalError(f"a train message with the secure sum's step {self._request.step!r}")
        dealt = self._known(DealtSecrets)
        held, masks = open_parcel(dealt, self._partition, self._request.session, self._request.data)
        point = self._rules.point(len(parse_participants(dealt.participants).public))
        return OpenedSum(point, masks, held)

    def uploaded(self, opened: OpenedSum) -> None:
        """Forget keys and masks, keep the others' shares; the round cannot be summed again."""
        self._remember(opened.held, summed=self._request.context.t)

    @property
    def _attempt(self) -> str:
        lineage = self._request.context.lineage
        return f"{lineage.run} {lineage.current}"

    @property
    def _summed(self) -> int:
        """The last round of this attempt whose sum has a part of this client; -1: there is none."""
        return int(str(self._record.get(_SUMMED, -1))) if self._record.get(_ATTEMPT) == self._attempt else -1

    def _refuse_second_sum(self) -> None:
        if self._request.context.t <= self._summed:
            raise RefusalError(
                f"round {self._request.context.t} was summed already, or a later one: two sums of a round over other "
                "clients would differ by what one of them sent"
            )

    def _known(self, kind: type[K]) -> K:
        """What it knows, if that is of this session and what the step begins with."""
        known = from_record(self._record) if self._record.get(_SESSION) == self._request.session else None
        if not isinstance(known, kind):
            raise RefusalError(
                f"nothing is known here that the secure sum's step {self._request.step!r} needs: the client was "
                "started anew within the round, or was asked out of order or twice"
            )
        return known

    def _remember(self, knowledge: Knowledge | None, summed: int | None = None) -> None:
        """Replace all that it knows."""
        kept = {_ATTEMPT: self._attempt, _SUMMED: self._summed if summed is None else summed}
        own = {} if knowledge is None else {_SESSION: self._request.session, **to_record(knowledge)}
        self._context.state[SECURE_SUM] = ConfigRecord({**kept, **own})
