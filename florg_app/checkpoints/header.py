"""What a checkpoint's header says of its run, as one typed record: another type, range or depth is refused by name."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Json, StringConstraints, ValidationError, model_validator

from florg_app.checkpoints.checkpoint_file import FORMAT, FORMAT_KEY
from florg_app.config.flat import FlatValue
from florg_app.config.section import Count, NonEmpty, NonNegative, Number
from strategies.exchange.lineage import Attempt
from strategies.exchange.wire import RUN
from strategies.server.round_policy import ASKED, RANKS, SKIPPED

LONGEST_QUOTE = 80
"""Characters of a refused value that its reason repeats."""

_Partition = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")]


class Bookkeeping(BaseModel, frozen=True):
    """What the strategy knows beside the state, see `strategies.server.round_policy`."""

    model_config = ConfigDict(strict=True, extra="allow")

    skipped: Count = Field(0, alias=SKIPPED)
    ranks: dict[_Partition, Number] = Field({}, alias=RANKS)
    asked: dict[_Partition, Count] = Field({}, alias=ASKED)


class CheckpointHeader(BaseModel, frozen=True):
    """The texts of a checkpoint's header; those that hold JSON are read, no deeper than pydantic's parser goes."""

    model_config = ConfigDict(allow_inf_nan=False, extra="ignore")

    format: str = Field(alias=FORMAT_KEY)
    round: Count
    run: NonEmpty = Field(alias=RUN)
    attempts: Json[Annotated[tuple[Attempt, ...], Field(strict=True, min_length=1)]]
    settings: Json[Annotated[dict[str, FlatValue], Field(strict=True)]]
    identity: Json[Annotated[dict[str, str], Field(strict=True)]]
    bookkeeping: Json[Bookkeeping]
    seconds: NonNegative

    @model_validator(mode="after")
    def _attempts_lead_to_the_round(self) -> "CheckpointHeader":
        if self.attempts[0].after or any(not 0 <= attempt.after <= self.round for attempt in self.attempts):
            raise ValueError(
                f"its attempts, after rounds {[a.after for a in self.attempts]}, do not lead to {self.round}"
            )
        return self

    @property
    def sealed(self) -> bool:
        """Whether damage would have shown: checkpoints of earlier versions hold no digests."""
        return self.format == FORMAT


def parse_header(texts: Mapping[str, str]) -> CheckpointHeader:
    """The typed header. Raises ValueError with every field that is missing or wrong, its value and what is expected."""
    try:
        return CheckpointHeader.model_validate(texts)
    except ValidationError as error:
        problems = error.errors()
    if missing := [
        str(problem["loc"][0]) for problem in problems if problem["type"] == "missing" and len(problem["loc"]) == 1
    ]:
        raise ValueError(f"it does not say its {', '.join(missing)}; it was not written by a run")
    first = {str(problem["loc"][:1]): problem for problem in reversed(problems)}  # one of each field will do
    raise ValueError("; ".join(_reason(problem) for problem in reversed(first.values())))


def _reason(problem: Any) -> str:
    where = ".".join(str(part) for part in problem["loc"])[:LONGEST_QUOTE]
    value = repr(problem["input"])
    quoted = value if len(value) <= LONGEST_QUOTE else f"{value[:LONGEST_QUOTE]}…"
    what = problem["msg"].removeprefix("Value error, ")
    return f"its {where} cannot be used: {what} (it is {quoted})" if where else what
