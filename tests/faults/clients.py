"""SuperNodes that are killed, hang or return, and two runs at once."""

from collections.abc import Iterator
from pathlib import Path

from tests.faults.fault import Fault, Outcome, Scene
from tests.faults.stage import TINY, Hold, Run, both, ended_well, faulty_app, reference
from tests.support import patience
from tests.support.processes import kill
from tests.support.secure_federation import SecureFederation, federation_of

TRAINING = "FAULT: in the middle of training"
"""What a client says that is held."""

ANSWERED = "Sending: query message"
"""What a SuperNode says when it has answered a run that asked who it is."""


def killed(folder: Path) -> Iterator[Outcome]:
    """Client 1 loses its training process in round 1, its SuperNode in round 2; client 0 holds round 3 open for it."""
    app, hold = faulty_app(folder), Hold(folder)
    settings = {**TINY, "min-clients": 2, "num-server-rounds": 4}
    nodes = [f'faults="{plan}" {hold.config}' for plan in ("3:held", "1:killed 2:held")]
    with federation_of(folder, 2, *nodes) as federation:
        federation.await_online(2)
        known = _online(federation)
        run = Run(federation, app, "killed", settings)
        run.await_round(1)
        federation.await_line("client-1", TRAINING)
        kill(federation.processes["client-1"])
        federation.start_supernode(1)
        status = federation.processes["client-1"].wait(patience.left())
        hasty = Outcome(status != 0, f"a start at once ends with status {status}")
        run.await_round(2)
        federation.start_supernode(1, config='faults=""')
        federation.await_online(2)
        hold.let_go(3)
        right = reference(folder / "right", 2, [(1, 1), (2, 1), (3, 1)], **settings)
        completed = ended_well(run, right)
        yield run.rejected(1, 1, "ClientApp stopped responding")
        back = [record["round"] for record in run.records[1:] if 1 in record["accepted"]]
        returned = Outcome(back == [4], f"back in round {back}")
        now = _online(federation)
        same = Outcome(now == known, f"under {'its old identity' if now == known else f'{now} instead of {known}'}")
        yield both(run.rejected(2, 1, "error 5"), hasty, returned, same, completed)


def _online(federation: SecureFederation) -> set[int]:
    """The identities under which SuperNodes are there."""
    return {node["node-id"] for node in federation.nodes() if node["status"] == "online"}


def hangs(folder: Path) -> Iterator[Outcome]:
    """Client 1 hangs over the end of round 1; its late answer comes in round 2."""
    app, hold = faulty_app(folder), Hold(folder)
    settings = {**TINY, "min-clients": 2, "num-server-rounds": 4, "round-timeout": 90.0}
    with federation_of(folder, 2, "", f'faults="1:held" {hold.config}') as federation:
        run = Run(federation, app, "hangs", settings)
        run.await_round(1)
        hold.let_go(1)
        run.wait()
        absent = [(record["round"], 1) for record in run.records[1:] if 1 not in record["accepted"]]
        completed = ended_well(run, reference(folder / "right", 2, absent, **settings))
        returned = Outcome(1 in run.records[-1]["accepted"], "its late answer is not used, later ones are")
        yield both(run.rejected(1, 1, "no reply before the time-out"), returned, completed)


def two_runs(folder: Path) -> Iterator[Outcome]:
    """Client 0 holds round 1 of the first run open until the second has begun, which waits for it."""
    app, first, second = faulty_app(folder), *({**TINY, "min-clients": 2, "seed": seed} for seed in (1, 2))
    hold = Hold(folder)
    with federation_of(folder, 2, f'faults="1:held" {hold.config}', "") as federation:
        early = Run(federation, app, "run-1", first)
        federation.await_line("client-0", TRAINING)
        late = Run(federation, app, "run-2", second)
        federation.await_line("client-1", ANSWERED, times=2)
        overlap = Outcome(not early.has_ended and not late.has_ended, "both at work at once")
        hold.let_go(1)
        right = ended_well(early, reference(folder / "right", 2, **first))
        status, took_part = late.wait(), [record["accepted"] for record in late.records[1:]]
        joined = status == 0 and took_part == [[0, 1]] * len(took_part)
        yield both(overlap, right, Outcome(joined, f"the second ended with {status}; clients by round {took_part}"))


SCENES = (
    Scene(
        (
            Fault(2, "a client's process is killed, as the kernel does for memory", "left out, back in the next round"),
            Fault(
                1,
                "a SuperNode is killed (-9) in training, and returns",
                "left out; back under its old identity once the SuperLink has noticed",
            ),
        ),
        killed,
    ),
    Scene((Fault(3, "a client hangs past the time-out", "left out; the run goes on, it comes back"),), hangs),
    Scene(
        (
            Fault(
                11,
                "two runs at once on one federation",
                "both complete with all clients, the first right to the bit",
            ),
        ),
        two_runs,
    ),
)
