"""`florg run`: hands the app to Flower, follows the run and knows how it really ended.

`flwr run` returns 0 as soon as the run is submitted, and `flwr log` says nothing about success; only `flwr ls` does.
"""

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from florg_app.config.runconfig import RunConfig, write_run_config
from florg_app.engines import preflight
from florg_app.engines.bundle import bundle_app
from florg_app.engines.superlink import CONNECTION, LaunchError, environment, find_command, private_superlink
from florg_app.reports.report import FAILED_LINE, PREFIX

LOG, SUPERLINK_LOG, RUN_CONFIG = "flower.log", "superlink.log", "run-config.toml"

POLL_SECONDS, STOP_SECONDS, COMMAND_SECONDS, FAILED_POLLS = 1.0, 20.0, 180.0, 10

Say = Callable[[str], None]
"""Takes one line for the person at the terminal."""

Status = Literal["completed", "failed", "stopped"]

_COLOUR = re.compile(r"\x1b\[\d+m")
_OURS = re.compile(r"^[A-Z]+ *: +" + re.escape(PREFIX) + "(.*)$")


@dataclass(frozen=True)
class Simulation:
    """The size of a simulated federation and each client's share of this machine."""

    num_clients: int
    cpus_per_client: int = 1
    gpus_per_client: float = 0.0

    def federation_config(self) -> str:
        """What `flwr run --federation-config` takes."""
        return (
            f"num-supernodes={self.num_clients} client-resources-num-cpus={self.cpus_per_client} "
            f"client-resources-num-gpus={self.gpus_per_client}"
        )


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run_id: str
    status: Status

    details: str


def simulate(
    app: Path, config: RunConfig, simulation: Simulation, folder: Path, env: Mapping[str, str], say
) -> Outcome:
    """Run the app in simulation on a private SuperLink; `folder` gets its logs, `say` its progress lines.

    Ctrl-C stops the run. The SuperLink is gone on return. Raises LaunchError.
    """
    if lacking := preflight.missing():
        raise LaunchError(lacking)
    with (folder / SUPERLINK_LOG).open("ab") as log:
        try:
            with private_superlink(environment(env), log) as own:
                extra = ["--federation-config", simulation.federation_config()]
                flwr = Flwr(own, CONNECTION)
                run_id = flwr.submit(app, config, folder, extra)
                try:
                    return flwr.follow(run_id, folder / LOG, say)
                except KeyboardInterrupt:
                    say("stopping the run")
                    return flwr.stop(run_id)
        except LaunchError as error:
            raise LaunchError(f"{error}\n{last_lines(folder / SUPERLINK_LOG)}".rstrip()) from error


def submit(app: Path, config: RunConfig, connection: str, folder: Path, env: Mapping[str, str], say: Say) -> Outcome:
    """Run the app on the SuperLink that the user's Flower configuration calls `connection`.

    Ctrl-C leaves the run alone. Raises LaunchError.
    """
    flwr = Flwr(environment(env), connection)
    run_id = flwr.submit(app, config, folder, [])
    say(f"run {run_id} submitted to {connection}")
    try:
        return flwr.follow(run_id, folder / LOG, say)
    except KeyboardInterrupt:
        say(f"run {run_id} goes on; stop it with: flwr stop {run_id} {connection}")
        raise


@dataclass(frozen=True)
class Flwr:
    """Flower's command line against one SuperLink connection."""

    env: Mapping[str, str]
    connection: str

    def submit(self, app: Path, config: RunConfig, folder: Path, extra: list[str]) -> str:
        """Start a run and return its id; the settings are kept in `folder`. Raises LaunchError."""
        options = [*extra]
        if config:
            write_run_config(folder / RUN_CONFIG, config)
            options += ["--run-config", str(folder / RUN_CONFIG)]
        with bundle_app(app) as files:
            answer = self._ask("run", str(files), self.connection, *options)
        return str(answer["run-id"])

    def ended(self, run_id: str) -> Outcome | None:
        """How the run ended, as the SuperLink sees it; None while it has not. Raises LaunchError."""
        (run,) = self._ask("ls", self.connection, "--run-id", run_id)["runs"]
        state, _, status = run["status"].partition(":")
        details = run["status-details"].removeprefix("N/A")
        return Outcome(run_id, cast(Status, status), details) if state == "finished" else None

    def follow(self, run_id: str, log_file: Path, say: Say) -> Outcome:
        """Write the run's log to `log_file` and its progress to `say` until it has ended. Raises LaunchError."""
        with log_file.open("a", encoding="utf-8") as file:
            for coloured in self._log_lines(run_id):
                line = _COLOUR.sub("", coloured)
                file.write(line)
                file.flush()
                if (found := _OURS.match(line.rstrip("\n"))) and not found[1].startswith(FAILED_LINE):
                    say(found[1])
        return self._wait(run_id, float("inf"))

    def stop(self, run_id: str) -> Outcome:
        """Ask the run to stop and give it some seconds to. Raises LaunchError where it does not answer."""
        self._ask("stop", run_id, self.connection)
        return self._wait(run_id, STOP_SECONDS)

    def _wait(self, run_id: str, seconds: float) -> Outcome:
        deadline, failures = time.monotonic() + seconds, 0
        while True:
            try:
                if outcome := self.ended(run_id):
                    return outcome
                failures = 0
            except LaunchError:  # the SuperLink restarts, or the network is away
                failures += 1
                if failures == FAILED_POLLS:
                    raise
            if time.monotonic() > deadline:
                return Outcome(run_id, "stopped", f"it did not end within {seconds:.0f} s of being told to")
            time.sleep(POLL_SECONDS)

    def _log_lines(self, run_id: str) -> Iterator[str]:
        command = [find_command("flwr"), "log", run_id, self.connection, "--stream"]
        with subprocess.Popen(
            command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
            errors="replace", start_new_session=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            try:
                yield from process.stdout
            finally:
                process.terminate()

    def _ask(self, *arguments: str) -> dict[str, Any]:
        """The JSON answer of a `flwr` command. Raises LaunchError with Flower's words where it is an error."""
        command = [find_command("flwr"), *arguments, "--format", "json"]
        try:
            done = subprocess.run(
                command, env=self.env, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise LaunchError(f"flwr {arguments[0]} did not answer within {COMMAND_SECONDS:.0f} s") from error
        except OSError as error:
            raise LaunchError(f"flwr {arguments[0]} could not be started: {error}") from error
        with contextlib.suppress(ValueError):
            answer = json.loads(done.stdout[done.stdout.index("{") :])
            if answer.get("success"):
                return answer
            raise LaunchError(f"flwr {arguments[0]}: {answer.get('error-message', answer)}".strip())
        raise LaunchError(
            f"flwr {arguments[0]} ended with status {done.returncode}: {done.stdout}{done.stderr}".strip()
        )


def log_length(log_file: Path) -> int:
    """Return how many bytes a log has, 0 where there is none."""
    return log_file.stat().st_size if log_file.is_file() else 0


def reason_of(log_file: Path, begun: int) -> str:
    """Return the reason of a foreseen end that the server gave in what a log has after `begun` bytes; else ""."""
    if not log_file.is_file():
        return ""
    with log_file.open("rb") as file:
        file.seek(begun)
        lines = file.read().decode("utf-8", "replace").splitlines()
    said = [found[1] for line in lines if (found := _OURS.match(line))]
    return "\n".join(line.removeprefix(FAILED_LINE) for line in said if line.startswith(FAILED_LINE))


def cause_of(log_file: Path) -> str:
    """The error that the last traceback of a log came of, which Flower's own words leave out; "" without one."""
    lines = last_lines(log_file).splitlines()
    if not lines or not lines[0].startswith("Traceback"):
        return ""
    return next((line for line in lines[1:] if line and not line.startswith(" ")), "")


def last_lines(log_file: Path, lines: int = 80) -> str:
    """The end of a log that says what went wrong: its last traceback with its causes, or the last 20 lines."""
    text = log_file.read_text(encoding="utf-8", errors="replace").rstrip() if log_file.exists() else ""
    starts = [match.start() for match in re.finditer(r"^Traceback \(most recent call last\)", text, re.MULTILINE)]
    while starts and text[: starts[-1]].rstrip().endswith(("the following exception:", "another exception occurred:")):
        starts.pop()
    return "\n".join(text[starts[-1] :].splitlines()[:lines] if starts else text.splitlines()[-20:])
