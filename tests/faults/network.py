"""Two machines, one of them a network namespace, whose link is cut, restored or slow."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.clients import TRAINING
from tests.faults.fault import Fault, Outcome, Scene
from tests.faults.stage import TINY, Hold, Run, both, ended_well, faulty_app, reference
from tests.support.processes import end_all
from tests.support.secure_federation import SecureFederation

SHORT_CUT_SECONDS = 10.0


@dataclass(frozen=True)
class Link:
    """The server's end of a link to the namespace of the same name, where the other end is."""

    name: str
    server: str
    """Address of the server's end."""

    @property
    def within(self) -> tuple[str, ...]:
        """The command that runs another in the namespace."""
        return (str(shutil.which("ip")), "netns", "exec", self.name)

    def up(self) -> None:
        _ip("link", "set", self.name, "up")

    def cut(self) -> None:
        _ip("link", "set", self.name, "down")

    def slow_down(self) -> None:
        """256 kbit/s each way; by the one queue that most kernels have."""
        shape = ("root", "tbf", "rate", "256kbit", "burst", "4kb", "latency", "1s")
        _do("tc", "qdisc", "add", "dev", self.name, *shape)
        _do(*self.within, "tc", "qdisc", "add", "dev", "far", *shape)


@contextmanager
def link() -> Iterator[Link]:
    """Make namespace and link; both are gone on leaving."""
    name, net = f"florg{os.getpid() % 10**6}", f"10.213.{os.getpid() % 256}"
    made = Link(name, f"{net}.1")
    _ip("netns", "add", name)
    try:
        _ip("link", "add", name, "type", "veth", "peer", "name", "far", "netns", name)
        _ip("address", "add", f"{net}.1/24", "dev", name)
        _ip("-n", name, "address", "add", f"{net}.2/24", "dev", "far")
        for device in ("far", "lo"):
            _ip("-n", name, "link", "set", device, "up")
        made.up()
        yield made
    finally:
        _ip("netns", "delete", name)


def play(folder: Path) -> Iterator[Outcome]:
    """Client 1 is behind the link, which is cut twice while it trains."""
    app, hold = faulty_app(folder), Hold(folder)
    settings = {**TINY, "min-clients": 2, "num-server-rounds": 4}
    with link() as cable, _federation(folder, cable, hold) as federation:
        run = Run(federation, app, "cut", settings)
        federation.await_line("client-1", TRAINING)
        cable.cut()
        time.sleep(SHORT_CUT_SECONDS)
        cable.up()
        hold.let_go(1)
        run.await_round(1)
        short = run.records[1]["accepted"]
        yield Outcome(short == [0, 1], f"clients {short} in that round")

        federation.await_line("client-1", TRAINING, times=2)
        cable.cut()
        run.await_round(2)
        cable.up()
        hold.let_go(2)
        federation.await_online(2)
        hold.let_go(3)
        run.wait()
        absent = [(record["round"], 1) for record in run.records[1:] if 1 not in record["accepted"]]
        completed = ended_well(run, reference(folder / "right", 2, absent, **settings))
        back = Outcome(1 in run.records[-1]["accepted"], "it came back")
        yield both(run.rejected(2, 1, "error 5"), back, completed)

        cable.slow_down()
        quick = {**TINY, "min-clients": 2, "seed": 2}
        slow = Run(federation, app, "slow", {**quick, "train.max-steps": 1})
        yield ended_well(slow, reference(folder / "right-slow", 2, **{**quick, "train.max-steps": 1}))


@contextmanager
def _federation(folder: Path, cable: Link, hold: Hold) -> Iterator[SecureFederation]:
    """Client 0 holds round 3 open until client 1 has come back."""
    try:
        with ExitStack() as stack:
            federation = SecureFederation(folder, 2, stack, host=cable.server)
            federation.start_superlink()
            for client in ("client-0", "client-1"):
                federation.register(client)
            federation.start_supernode(0, config=f'faults="3:held" {hold.config}')
            federation.start_supernode(1, config=f'faults="1:held 2:held" {hold.config}', within=cable.within)
            yield federation
    finally:
        end_all(folder)


def _ip(*arguments: str) -> None:
    _do("ip", *arguments)


def _do(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def no_namespaces() -> str:
    """Why this machine cannot make a slow link to a namespace, empty where it can."""
    if missing := [name for name in ("ip", "tc") if shutil.which(name) is None]:
        return f"{' and '.join(missing)} of iproute2 are not installed"
    try:
        with link() as cable:
            cable.slow_down()
    except subprocess.CalledProcessError as error:
        return f"no network namespace with a slow link: {error.stderr.strip()}"
    return ""


SCENES = (
    Scene(
        (
            Fault(10, f"the network is cut for {SHORT_CUT_SECONDS:.0f} s in training", "nobody is left out"),
            Fault(10, "it is cut until the SuperLink gives the client up", "left out, back once the network is"),
            Fault(10, "a slow link: 256 kbit/s", "completes, with the same result"),
        ),
        play,
        lacks=no_namespaces,
    ),
)
