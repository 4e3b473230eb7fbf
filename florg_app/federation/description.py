"""What a federation file says: the server, and the sites in the order of their partitions."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from florg_app.config.flat import to_toml
from florg_app.config.section import kebab

_NAME = r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?"

MachineName = Annotated[str, StringConstraints(pattern=f"^{_NAME}$")]
"""A name that is also one for Kubernetes, systemd and a folder."""

AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[^\n\x00:]*$")]

EXPECTED = {
    "string_pattern_mismatch": "expected lower-case letters, digits, hyphens, at most 40; of a path: an absolute one",
    "extra_forbidden": "there is no such key",
    "missing": "is missing",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "int_type": "expected a whole number",
    "string_type": "expected a text",
    "list_type": "expected a list of texts",
    "too_short": "expected at least one",
}
"""By pydantic's kind of problem: what is said of it."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=kebab)


class ServerPlace(_Table):
    """The machine of the SuperLink."""

    names: list[str] = Field(min_length=1)
    """Host names and addresses that its certificate is valid for; clients call the first."""
    port: int = Field(8000, ge=1, le=65535)
    bind: str = "0.0.0.0"
    """The address at which a container publishes the port."""
    tls_days: int = Field(825, ge=1, le=3600)
    project: AbsolutePath = "/opt/florg"
    """The folder of this project there."""

    @property
    def address(self) -> str:
        """Where clients call it."""
        name = self.names[0]
        return f"[{name}]:{self.port}" if ":" in name else f"{name}:{self.port}"


class Site(_Table):
    """The machine of one client."""

    name: MachineName
    data_path: AbsolutePath | None = None
    """The folder of its own rows; without it, it has a share of the task's rows."""
    gpu: bool = False
    port: int = Field(9094, ge=1, le=65535)
    """Of its SuperNode on its loopback: another one where two sites share a machine."""
    project: AbsolutePath = "/opt/florg"


class Federation(_Table):
    """All machines."""

    name: MachineName = "federation"
    """Of the connection in the Flower configuration of whoever starts runs."""
    server: ServerPlace
    site: list[Site] = Field(min_length=1)

    @model_validator(mode="after")
    def _goes_together(self) -> "Federation":
        names = [site.name for site in self.site]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"site: {', '.join(twice)} stands there twice; give each site its own name")
        own = [site.name for site in self.site if site.data_path]
        if own and len(own) < len(names):
            raise ValueError(
                f"site: {', '.join(own)} have a data-path and others none: they would share out rows among too few; "
                "give all sites a data-path, or none"
            )
        return self

    def node_config(self, site: Site, data: str | None, state: str) -> str:
        """What the SuperNode of a site is told of itself; `data`, `state`: the places of its rows and of what it keeps.

        Where all sites have rows of their own, the number of partitions says nothing, and is such that further sites
        change no other.
        """
        number = self.site.index(site)
        total = number + 1 if site.data_path else len(self.site)
        own = "" if data is None else f" data-path={to_toml(data)}"
        return f'partition-id={number} num-partitions={total} client-name="{site.name}"{own} state-dir={to_toml(state)}'


def read_federation(path: Path) -> Federation:
    """Read a federation file. Raises ValueError naming the file, the key, its value and what is allowed."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; docs/deployment.md shows such a file") from error
    except ValueError as error:
        raise ValueError(f"{path} is no TOML: {error}") from error
    try:
        return Federation.model_validate(document)
    except ValidationError as error:
        raise ValueError("\n".join(f"{path}: {site_problem(problem)}" for problem in error.errors())) from None


def site_problem(problem: Mapping[str, Any]) -> str:
    """A problem of pydantic in words: the key, its value and what is allowed."""
    place = ".".join(f"[{part + 1}]" if isinstance(part, int) else str(part) for part in problem["loc"])
    place = re.sub(r"\.\[", "[", place)
    said = EXPECTED.get(str(problem["type"])) or str(problem["msg"]).removeprefix("Value error, ")
    given = problem.get("input")
    value = f" = {to_toml(given)}" if isinstance(given, bool | int | float | str) else ""
    return f"{place}{value}: {said}" if place else said
