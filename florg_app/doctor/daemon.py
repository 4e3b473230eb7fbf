"""Is a SuperLink of an earlier `flwr run` still alive, with other code or without our environment?

It starts on the first local `flwr run` and stays. Its working directory goes before the app's bundle on its simulated
clients' module path. `florg run` has a SuperLink of its own and does not care.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from florg_app import code_version
from florg_app.doctor.finding import Finding

NO_INSTALL = "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"


@dataclass(frozen=True)
class Daemon:
    """A local SuperLink for simulations."""

    pid: int
    folder: Path
    """Its working directory."""
    installs: bool
    """Whether it would install the app's dependencies anew for each run."""


def is_local_superlink(command: list[str]) -> bool:
    """Whether this is the command line by which `flwr run` starts a SuperLink: its files are in local-superlink/."""
    return "--simulation" in command and any("/local-superlink/" in argument for argument in command)


def find_daemons() -> Iterator[Daemon]:
    """Those of this user."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if is_local_superlink(process.cmdline()):
                installs = process.environ().get(NO_INSTALL) != "1"
                yield Daemon(process.pid, Path(process.cwd()), installs)


def check_daemons(daemons: Iterable[Daemon], app: Path) -> Iterator[Finding]:
    """A verdict on each; one that all is well where there is none."""
    found = list(daemons)
    if not found:
        yield Finding("ok", "local SuperLink", "none is running")
    for daemon in found:
        stop = f"stop it, the next `flwr run` starts another: kill {daemon.pid}"
        if code_version.has_packages(daemon.folder) and code_version.digest_of(daemon.folder) != code_version.digest_of(
            app
        ):
            text = f"process {daemon.pid} takes its clients' code from {daemon.folder}, which is not that of {app}"
            yield Finding("warning", "local SuperLink", text, stop)
        elif daemon.installs:
            text = f"process {daemon.pid} installs the app's dependencies, torch among them, anew for each run"
            yield Finding("warning", "local SuperLink", text, f"export {NO_INSTALL}=1 and {stop}")
        else:
            yield Finding("ok", "local SuperLink", f"process {daemon.pid} has this code")
