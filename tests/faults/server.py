"""The server's processes die, or its disk is full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from florg_app.checkpoints import checkpoint_file
from tests.faults.clients import TRAINING
from tests.faults.fault import Fault, Outcome, Scene
from tests.faults.stage import TINY, Hold, Run, both, ended_well, faulty_app, reference
from tests.support.processes import kill
from tests.support.secure_federation import SecureFederation, federation_of


def dies(folder: Path) -> Iterator[Outcome]:
    """Clients keep tensors to themselves, so that a resumed run needs what they had."""
    app, hold = faulty_app(folder), Hold(folder)
    settings = {**TINY, "min-clients": 2, "num-server-rounds": 3, "strategy.name": "fedsa-lora"}
    right = reference(folder / "right", 2, **settings)
    own = f'state-dir="{folder}/state"'
    with federation_of(folder, 2, f'{own} faults="2:held" {hold.config}', own) as federation:
        for name, end in (("serverapp", kill_serverapp), ("superlink", restart_superlink)):
            hold.take(2)
            (folder / "client-0.log").write_text("")
            broken = Run(federation, app, name, settings)
            federation.await_line("client-0", TRAINING)
            end(federation)
            hold.let_go(2)
            status = broken.wait()
            resumed = Run(federation, app, f"{name}-resumed", {**settings, "resume-from": "latest"}, broken.output)
            yield both(Outcome(status == 1, f"status {status}"), ended_well(resumed, right))


def kill_serverapp(federation: SecureFederation) -> None:
    (serverapp,) = (
        child
        for child in psutil.Process(federation.processes["superlink"].pid).children(recursive=True)
        if any("flwr-serverapp" in word for word in child.cmdline())
    )
    serverapp.kill()


def restart_superlink(federation: SecureFederation) -> None:
    kill(federation.processes["superlink"])
    federation.start_superlink()


def full(folder: Path) -> Iterator[Outcome]:
    """The server's folder has 4 MB; client 0 holds round 2 open, which is when the disk fills up."""
    app, hold = faulty_app(folder), Hold(folder)
    settings = {**TINY, "min-clients": 2, "num-server-rounds": 3}
    right = reference(folder / "right", 2, **settings)
    held = f'faults="2:held" {hold.config}'
    with small_disk(folder / "disk", "4m") as disk, federation_of(folder, 2, held, "") as federation:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(3_500_000))
        early = Run(federation, app, "early", settings, disk / "early")
        status, words = early.wait(), early.words
        yield Outcome(status == 1 and "free some space" in words, f"status {status}: {_reason(words)}")
        ballast.unlink()

        late = Run(federation, app, "late", settings, disk / "late")
        late.await_round(1)
        fill(ballast)
        hold.let_go(2)
        late_status = late.wait()
        _, kept = checkpoint_file.load_checkpoint(late.output / checkpoint_file.CHECKPOINT_FILE)
        ballast.unlink()
        resumed = Run(federation, app, "resumed", {**settings, "resume-from": "latest"}, late.output)
        last_good = Outcome(
            late_status == 1 and kept["round"] == "1", f"status {late_status}, round {kept['round']} kept"
        )
        yield both(last_good, ended_well(resumed, right))


def fill(ballast: Path) -> None:
    """Take what is left of the disk."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def _reason(words: str) -> str:
    """What Flower says of a ServerApp's end, of all that `florg run` said."""
    return words.partition("failed with exception: ")[2].partition("\n")[0] or words[-300:]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "florg", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def no_mount() -> str:
    """Why this machine cannot make a small disk, empty where it can."""
    if os.geteuid() != 0:
        return "a small tmpfs needs root"
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=1m", "florg", "/mnt"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no tmpfs can be mounted: {done.stderr.strip()}"


SCENES = (
    Scene(
        (
            Fault(7, "the ServerApp process is killed (-9)", "the run fails; resumed, it ends as if nothing had been"),
            Fault(7, "the SuperLink is killed (-9) and restarted", "the same; the SuperNodes come back by themselves"),
        ),
        dies,
    ),
    Scene(
        (
            Fault(9, "the server's disk is full before a run", "the run does not begin, and says how much it needs"),
            Fault(
                9, "the server's disk fills up in a run", "the run fails, the last checkpoint stays and is resumed from"
            ),
        ),
        full,
        lacks=no_mount,
    ),
)
