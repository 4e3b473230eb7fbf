"""What every table of the configuration is (strict, frozen, with kebab-case keys), and the types that tables share."""

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict

from florg_app.config.flat import CommaSeparated, Unset, Words


def kebab(name: str) -> str:
    """The run-config key of a field: learning_rate -> learning-rate."""
    return name.replace("_", "-")


STRICT = ConfigDict(
    strict=True,  # true is not 1, "1" is not 1; only a whole number where a number is wanted is taken as one
    extra="forbid",
    allow_inf_nan=False,
    alias_generator=kebab,
    validate_by_name=True,
)


class Section(BaseModel, frozen=True):
    """One table of the configuration: frozen, strictly typed, no further keys."""

    model_config = STRICT


Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Lt(1)]
Count = Annotated[int, Ge(0)]
Number = Annotated[int, Ge(1)]
NonEmpty = Annotated[str, Field(min_length=1), Words("a name")]
FolderPath = Annotated[Path, Strict(False)]
Resumable = Annotated[str, Words('"" (a new run) | latest | the path of a run\'s folder or checkpoint')]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$"), Words("auto | cpu | cuda | cuda:N")]
DType = Literal["float32", "bfloat16", "float16"]
Quantization = Literal["none", "8bit", "4bit"]
MaxRows = Annotated[Number | None, Unset(-1, "all rows")]


def _black_and_white(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(values) != 2 or not values[0] < values[1]:
        raise ValueError("not two numbers, black below white")
    return values


ImageRange = Annotated[
    tuple[Annotated[float, Strict(False)], ...],
    CommaSeparated(),
    AfterValidator(_black_and_white),
    Words('two numbers, those of black and white, such as "0,4095", or "" (those of the kind of pixels)'),
]
Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], CommaSeparated()]
