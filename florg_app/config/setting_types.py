"""Types that several tables of the configuration share."""

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt
from pydantic import Field, Strict

from florg_app.config.flat import CommaSeparated, Unset, Words

Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Lt(1)]
Count = Annotated[int, Ge(0)]
Number = Annotated[int, Ge(1)]
Name = Annotated[str, Field(min_length=1), Words("a name")]
Folder = Annotated[Path, Strict(False)]
Resumable = Annotated[str, Words('"" (a new run) | latest | the path of a run\'s folder or checkpoint')]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$"), Words("auto | cpu | cuda | cuda:N")]
DType = Literal["float32", "bfloat16", "float16"]
Quantization = Literal["none", "8bit", "4bit"]
MaxRows = Annotated[Number | None, Unset(-1, "all rows")]
Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], CommaSeparated()]
