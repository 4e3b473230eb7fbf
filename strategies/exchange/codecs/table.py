"""Every codec by its name, and what of a run's traffic is coded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from strategies.exchange.codecs.codec import Codec
from strategies.exchange.codecs.half import HalfFloats
from strategies.exchange.codecs.plain import PlainFloats
from strategies.exchange.codecs.scaled import Int4, Int8
from strategies.exchange.codecs.sparse import LargestNumbers

CodecName = Literal["float32", "bfloat16", "int8", "int4", "top-k"]

CODECS: Mapping[CodecName, Callable[[float], Codec]] = {
    "float32": lambda share: PlainFloats(),
    "bfloat16": lambda share: HalfFloats(),
    "int8": lambda share: Int8(),
    "int4": lambda share: Int4(),
    "top-k": LargestNumbers,
}
"""Each made from the share of the numbers that is kept, which one of them reads."""

FLOAT32: Codec = PlainFloats()


@dataclass(frozen=True)
class Wire:
    """How the tensors of a run travel."""

    upload: Codec = FLOAT32
    broadcast: Codec = FLOAT32
    feedback: bool = False
    """Whether a client adds what one upload could not carry to its next."""


AS_IT_IS = Wire()
"""float32 both ways."""
