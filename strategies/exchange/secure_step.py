"""The messages of a secure sum beside broadcast and upload: for which step of which round, with what bytes."""

from dataclasses import dataclass
from typing import Literal

from flwr.app import DEFAULT_TTL, ConfigRecord, Message, MessageType, RecordDict

from strategies.exchange.foreign_text import safe_text, shown_value
from strategies.exchange.lineage import Lineage, RoundContext
from strategies.exchange.screening import Rejected
from strategies.exchange.traffic import SECURE_SUM
from strategies.exchange.wire import CONFIG, PARTITION, ROUND, RefusalError

SECURE_ACTION = "secure_sum"
"""The action of the query messages; their type is "query.secure_sum"."""

Step = Literal["keys", "shares", "upload", "reveal"]
"""In the order of a round; "upload" is the train message."""

_STEP, _DATA = "step", "data"


@dataclass(frozen=True)
class StepRequest:
    """What a message asks of a client for the secure sum of a round."""

    step: Step
    data: bytes
    context: RoundContext

    @property
    def session(self) -> str:
        """Names this sum alone: the run, the attempt at it, the round."""
        return session_of(self.context.lineage, self.context.t)


def session_of(lineage: Lineage, t: int) -> str:
    """Name round t's secure sum; all keys of the round are bound to the name."""
    return f"{lineage.run} {lineage.current} {t}"


def step_record(step: Step, data: bytes) -> ConfigRecord:
    """Make the record that a message of this step carries."""
    return ConfigRecord({_STEP: step, _DATA: data})


def step_content(step: Step, data: bytes, lineage: Lineage, t: int) -> RecordDict:
    """Make the content of a query message."""
    config = ConfigRecord({ROUND: t, **lineage.as_config()})
    return RecordDict({CONFIG: config, SECURE_SUM: step_record(step, data)})


def step_message(content: RecordDict, node: int, t: int, seconds: float) -> Message:
    """Make a query message of round t that, with its answer, outlives the seconds for which the server waits."""
    kind = f"{MessageType.QUERY}.{SECURE_ACTION}"
    return Message(content, node, kind, ttl=max(DEFAULT_TTL, seconds), group_id=str(t))


def read_step(content: RecordDict) -> StepRequest:
    """Read what a query message, or a train message with a `step_record`, asks for. Raises RefusalError."""
    try:
        config, own = content.config_records[CONFIG], content.config_records[SECURE_SUM]
        step, data, t = own[_STEP], own[_DATA], config[ROUND]
        context = RoundContext(Lineage.from_config(config), int(t))  # pyright: ignore[reportArgumentType]  # checked here
    except (KeyError, TypeError, ValueError) as error:
        raise RefusalError(
            f"privacy.secure-sum = true, but the message has no readable part for it: {type(error).__name__}: {error}"
        ) from error
    if step not in ("keys", "shares", "upload", "reveal") or not isinstance(data, bytes):
        raise RefusalError(f"the secure sum has no step {step!r} with {type(data).__name__}")
    return StepRequest(step, data, context)


def step_answer(data: bytes, t: int, partition: int) -> RecordDict:
    """Make the content of a client's answer to a query message of round t."""
    return RecordDict({SECURE_SUM: ConfigRecord({_DATA: data, ROUND: t, PARTITION: partition})})


def read_answer(reply: Message, t: int, partition: int) -> bytes | Rejected:
    """Return the bytes of an answer to the query message that this partition got in round t, or why there are none."""
    if reply.has_error():
        return Rejected(partition, f"error {shown_value(reply.error.code)}: {safe_text(str(reply.error.reason))}")
    content = reply.content if reply.has_content() else None
    records = content.config_records if isinstance(content, RecordDict) else {}
    answer = records.get(SECURE_SUM, ConfigRecord())
    data = answer.get(_DATA)
    if answer.get(ROUND) != t or answer.get(PARTITION) != partition or not isinstance(data, bytes):
        found = ", ".join(f"{key} = {shown_value(answer.get(key))}" for key in (ROUND, PARTITION))
        return Rejected(partition, f"no bytes of partition {partition} in round {t} for the secure sum, but {found}")
    return data
