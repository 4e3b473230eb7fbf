"""The shell steps of a page, run in order as a reader would type them: in one folder, with an empty home."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from florg_app.engines.bundle import bundle_app
from tests.support.processes import BIN, ENVIRONMENT
from tests.support.repository import REPOSITORY

_STEP = re.compile(r"(?:.*\\\n)*.*<<(\w+)\n(?:.*\n)*?\1\n|(?:.*\\\n)*.*\n")


def shell_steps(block: str) -> list[str]:
    """The commands of a block, each with its continued lines and its here-document."""
    return [step[0] for step in _STEP.finditer(block) if step[0].strip()]


@dataclass(frozen=True)
class Account:
    """A fresh account on a machine with the project: an empty home, and a copy of the files that the app ships."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    """What the steps exported so far, and what a test wants beside it."""

    def __post_init__(self) -> None:
        (self.folder / "home").mkdir()
        with bundle_app(REPOSITORY) as files:
            shutil.copytree(files, self.project)
        (self.project / ".venv").mkdir()
        (self.project / ".venv/bin").symlink_to(BIN)

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def environment(self) -> Mapping[str, str]:
        system = {"HOME": str(self.folder / "home"), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        return {**ENVIRONMENT, **system, **self.variables}

    def run(self, step: str) -> subprocess.CompletedProcess[str]:
        """Run one step in the project's folder and keep what it exports. Raises AssertionError where it fails."""
        exported = re.findall(r"\b(\w+)=", step) if step.startswith("export ") else []
        shown = "".join(f"printf '%s\\n' \"${name}\"\n" for name in exported)
        done = subprocess.run(
            ["bash", "-c", f"set -eu\n{step}\n{shown}"],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{step}\n{done.stdout}{done.stderr}"
        self.variables.update(zip(exported, done.stdout.splitlines(), strict=True) if exported else {})
        return done

    def words(self, step: str) -> list[str]:
        """The words of a command after the shell has filled in its variables."""
        return self.run(f"printf '%s\\n' {step}").stdout.splitlines()
