"""What a train message asks of a client: written by the server, read by the client, once each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

from strategies.exchange.lineage import Lineage, RoundContext
from strategies.exchange.screening import Asked
from strategies.exchange.secure_step import step_record
from strategies.exchange.traffic import SECURE_SUM
from strategies.exchange.wire import ADVICE, ARRAYS, CONFIG, RANK, ROUND, RefusalError, train_message

EVALUATE, VERSION, CARRIES = "evaluate", "once-version", "once-carried"


BroadcastKind = tuple[int, bool]
"""Of a broadcast: the rank, and whether it has the tensors that travel once to each client."""


@dataclass(frozen=True)
class TrainRequest:
    """A round as one client is asked to take part in it."""

    t: int
    """The round, from 1."""
    rank: int
    """Of the factors in the message."""
    evaluate: bool
    """Whether the client scores the model that it receives."""
    lineage: Lineage
    """The attempts at the run, by which a client knows which of its stores to go on from."""
    identity: Mapping[str, str]
    """What both sides must share, see `strategies.exchange.wire.ADVICE`."""
    version: str = ""
    """A digest of the tensors that travel once to each client; empty where there are none."""
    carries: bool = False
    """Whether the message has them; else the client goes on with those of this version that it keeps."""

    @property
    def context(self) -> RoundContext:
        return RoundContext(self.lineage, self.t)

    def as_config(self) -> ConfigRecord:
        """Return the config record of the message; `from_config` inverts it, sources of attempts aside."""
        lineage = self.lineage.as_config()
        once = {VERSION: self.version, CARRIES: self.carries} if self.version else {}
        own = {ROUND: self.t, RANK: self.rank, EVALUATE: self.evaluate, **once}
        return ConfigRecord({**own, **self.identity, **lineage})

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "TrainRequest":
        """Read the config record of a message. Raises RefusalError where it lacks something."""
        try:
            return cls(
                t=int(config[ROUND]),
                rank=int(config[RANK]),
                evaluate=bool(config[EVALUATE]),
                lineage=Lineage.from_config(config),
                identity={part: str(config[part]) for part in ADVICE if part in config},
                version=str(config.get(VERSION, "")),
                carries=bool(config.get(CARRIES, False)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RefusalError(f"the train message cannot be read: {type(error).__name__}: {error}") from error


def train_content(arrays: ArrayRecord, request: TrainRequest, parcel: bytes | None = None) -> RecordDict:
    """Return the content of a train message: the broadcast and what is asked.

    `parcel` is what a secure sum brings one client; None: there is none.
    """
    content = RecordDict({ARRAYS: arrays, CONFIG: request.as_config()})
    if parcel is not None:
        content[SECURE_SUM] = step_record("upload", parcel)
    return content


def train_messages(
    asked: Sequence[Asked],
    nodes: Mapping[int, int],
    arrays: Mapping[BroadcastKind, ArrayRecord],
    requests: Mapping[BroadcastKind, TrainRequest],
    parcels: Mapping[int, bytes],
    seconds: float,
) -> list[tuple[Message, Asked]]:
    """Write one message for each client asked; those of one kind share their content, but for parcels.

    Args:
        asked: the clients.
        nodes: by partition.
        arrays: the broadcast by kind.
        requests: by kind.
        parcels: by partition, what a secure sum brings; of a client without one, nothing.
        seconds: for which the round waits.
    """
    shared = {kind: train_content(arrays[kind], requests[kind]) for kind in arrays}
    messages: list[tuple[Message, Asked]] = []
    for client in asked:
        kind, parcel = (client.rank, client.carries), parcels.get(client.partition)
        content = shared[kind] if parcel is None else train_content(arrays[kind], requests[kind], parcel)
        messages.append((train_message(content, nodes[client.partition], requests[kind].t, seconds), client))
    return messages
