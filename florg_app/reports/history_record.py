"""The record of a round as history.jsonl has it: what summary, curves and reports rely on when they read one."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LARGEST = 2**63 - 1

Whole = Annotated[int, Field(ge=0, le=LARGEST)]
Measured = Annotated[int, Field(ge=-LARGEST, le=LARGEST)] | float | None
"""A number; None is one that was none (NaN)."""
Measures = dict[str, Measured]


class _Part(BaseModel, frozen=True):
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class RejectedRecord(_Part, frozen=True):
    """A reply that was not used."""

    partition: int | None
    reason: str


class LoweredRecord(_Part, frozen=True):
    """The share of a round's weight that a client would have had, and what it has."""

    of: float
    to: float


class TrafficRecord(_Part, frozen=True, extra="forbid"):
    """Numbers and bytes of a round in one direction."""

    adapter_numbers: Whole = Field(0, alias="adapter-numbers")
    adapter_payload_bytes: Whole = Field(0, alias="adapter-payload-bytes")
    head_numbers: Whole = Field(0, alias="head-numbers")
    head_payload_bytes: Whole = Field(0, alias="head-payload-bytes")
    wire_bytes: Whole = Field(0, alias="wire-bytes")


class PrivacyRecord(_Part, frozen=True):
    """What differential privacy has cost up to a round."""

    epsilon: float | None
    delta: float
    rounds: Whole


class HistoryRecord(_Part, frozen=True):
    """One round; fields that nothing relies on may be there too."""

    round: Whole
    sampled: list[int] = []
    accepted: list[int] = []
    rejected: list[RejectedRecord] = []
    skipped: str = ""
    weights: dict[str, float] = {}
    lowered_weights: dict[str, LoweredRecord] = Field({}, alias="lowered-weights")
    train: Measures | None = None
    clients: dict[str, Measures] | None = None
    evaluation: Measures | None = None
    own: dict[str, Measures] | None = None
    up: TrafficRecord | None = None
    down: TrafficRecord | None = None
    seconds: dict[str, float] = {}
    privacy: PrivacyRecord | None = None
    diagnostics: dict[str, Measures] = {}
    client_flops: Measured = Field(None, alias="client-flops")
    server_flops: Measured = Field(None, alias="server-flops")
    server_peak: Measured = Field(None, alias="server-peak-memory-bytes")
    peak: Measured = Field(None, alias="peak-memory-bytes")
