"""What every table of the configuration is: strict, frozen, with kebab-case keys."""

from pydantic import BaseModel, ConfigDict


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
