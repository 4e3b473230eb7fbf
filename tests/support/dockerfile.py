"""A Dockerfile's stages, each with what it inherits from the stage that it is built from."""

import json
import re
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass
class Stage:
    """One FROM and all that follows it."""

    name: str
    base: str
    """Name of the stage, or of the image, that it begins with."""
    instructions: list[tuple[str, str]] = field(default_factory=list)
    """Its own: (keyword, rest of the line)."""
    env: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    workdir: str = "/"
    exposed: list[str] = field(default_factory=list)
    owned: list[str] = field(default_factory=list)
    """Folders given to the user."""
    healthcheck: str = ""
    entrypoint: list[str] = field(default_factory=list)


def instructions(path: Path) -> list[tuple[str, str]]:
    """(keyword, arguments) of each instruction, with its continued lines joined and without comments."""
    text = "\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", text)
    return [(line.split()[0].upper(), line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def stages(path: Path) -> dict[str, Stage]:
    """Every stage by name."""
    found: dict[str, Stage] = {}
    stage = None
    for keyword, rest in instructions(path):
        if keyword == "FROM":
            base, _, name = rest.partition(" AS ")
            parent = found.get(base)
            stage = Stage(name, base)
            if parent:
                stage = replace(parent, name=name, base=base, instructions=[], env=dict(parent.env))
            found[name] = stage
        elif stage is not None:
            stage.instructions.append((keyword, rest))
            _apply(stage, keyword, rest)
    return found


def _apply(stage: Stage, keyword: str, rest: str) -> None:
    if keyword == "ENV":
        stage.env |= dict(pair.split("=", 1) for pair in shlex.split(rest))
    elif keyword == "USER":
        stage.user = rest
    elif keyword == "WORKDIR":
        stage.workdir = rest
    elif keyword == "EXPOSE":
        stage.exposed = rest.split()
    elif keyword == "HEALTHCHECK":
        stage.healthcheck = rest
    elif keyword == "ENTRYPOINT":
        stage.entrypoint = json.loads(rest)  # the exec form is a JSON list; the shell form is none
    elif keyword == "RUN" and (given := re.search(r"chown \S+ ([^&]+)", rest)):
        stage.owned = given[1].split()
