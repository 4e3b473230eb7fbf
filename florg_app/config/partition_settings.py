"""Settings of who gets which rows, and which of them each way of dividing reads."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import model_validator

from florg_app.config.flat import Unset, to_toml
from florg_app.config.section import NonEmpty, Number, Positive, Section, Share, kebab

PARAMETERS: Mapping[str, frozenset[str]] = {
    "iid": frozenset(),
    "dirichlet": frozenset({"alpha", "column"}),
    "pathological": frozenset({"classes_per_client", "column"}),
    "natural-id": frozenset({"column"}),
    "linear": frozenset(),
    "square": frozenset(),
    "exponential": frozenset(),
}
"""By `partition.name`: the fields that it reads besides those that all read."""

WITHOUT_COLUMN = tuple(name for name, fields in PARAMETERS.items() if "column" not in fields)
"""Those that never look at the values of a column."""


class PartitionSettings(Section, frozen=True):
    name: Literal["iid", "dirichlet", "pathological", "natural-id", "linear", "square", "exponential"] = "dirichlet"
    alpha: Positive = 0.5
    """Concentration of the Dirichlet distribution; small = each client has few of the classes."""
    classes_per_client: Number = 2
    column: Annotated[NonEmpty | None, Unset("", "the label, or what the task has instead")] = None
    """By whose values rows are divided; any column of the files."""
    min_size: Number = 8
    """Rows of the smallest client."""
    holdout: Share = 0.0
    """Share of a client's rows that it keeps for its own evaluation."""

    @model_validator(mode="after")
    def _only_own_parameters(self) -> "PartitionSettings":
        particular = frozenset().union(*PARAMETERS.values())
        for field in sorted(particular - PARAMETERS[self.name]):
            value = getattr(self, field)
            if value != type(self).model_fields[field].default:
                owners = " | ".join(name for name, fields in PARAMETERS.items() if field in fields)
                raise ValueError(
                    f"partition.{kebab(field)} = {to_toml(value)} belongs to {owners}, but partition.name = "
                    f'"{self.name}"; remove it, or choose another partition.name'
                )
        return self

    @model_validator(mode="after")
    def _ids_have_a_column(self) -> "PartitionSettings":
        if self.name == "natural-id" and self.column is None:
            raise ValueError(
                'partition.name = "natural-id" gives each client the rows of one value of a column; name it in '
                "partition.column (hospital, speaker, ...)"
            )
        return self
