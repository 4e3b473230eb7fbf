"""Who must not get in: each is refused, gets no code and learns no key."""

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from florg_app import certificates
from tests.faults.clients import TRAINING
from tests.faults.fault import Fault, Outcome, Scene
from tests.faults.stage import TINY, Hold, Run, both, faulty_app
from tests.support import patience
from tests.support.processes import BIN, end_all
from tests.support.secure_federation import CONNECTION, SecureFederation, federation_of


def refused(federation: SecureFederation, client: str, because: str, **options: str) -> Outcome:
    """Start a SuperNode that must not get in, and see it end for this reason, unknown to the SuperLink as before."""
    known = {node["node-id"] for node in federation.nodes()}
    federation.start_supernode(0, client, max_retries=1, **options)
    status, log = federation.processes[client].wait(patience.left()), federation.log(client)
    found = because in log and status != 0
    unknown = {node["node-id"] for node in federation.nodes()} == known
    got_in = "Receiving" in log or (federation.folder / f"home-{client}/apps").exists()
    return Outcome(
        found and unknown and not got_in, f"refused: {because}" if found else f"status {status}: {log[-400:]}"
    )


def play(folder: Path) -> Iterator[Outcome]:
    """Client 0 holds a round of a run open while others knock: there are code and messages to be had."""
    app, hold = faulty_app(folder), Hold(folder)
    with federation_of(folder, 1, f'faults="1:held" {hold.config}') as federation:
        run = Run(federation, app, "job", {**TINY, "min-clients": 1})
        federation.await_line("client-0", TRAINING)
        certificates.make_certificates(federation.keys, [], ["stranger", "removed", "misled", "plain"], days=2)
        unregistered = refused(federation, "stranger", "Failed to activate SuperNode")
        named = "No SuperNode found with the given public key" in federation.log("superlink")
        yield both(unregistered, Outcome(named, "the SuperLink logs that the key is unknown"))

        federation.register("removed")
        (node,) = [node for node in federation.nodes() if node["status"] == "registered"]
        federation.flwr("supernode", "unregister", node["node-id"], CONNECTION)
        yield refused(federation, "removed", "Failed to activate SuperNode")

        certificates.make_certificates(folder / "foreign", ["localhost"], [], days=2)
        foreign = f"--root-certificates {folder}/foreign/ca/ca.crt"
        yield refused(federation, "misled", "CERTIFICATE_VERIFY_FAILED", tls=foreign)
        yield refused(federation, "plain", "TLS is not enabled", tls="--insecure")
        yield unencrypted(federation)
        meanwhile = Outcome(not run.has_ended, "a run was going on meanwhile")
        hold.let_go(1)
        status = run.wait()
        alone = all(record["sampled"] == [0] for record in run.records[1:])
        yield both(meanwhile, Outcome(status == 0 and alone, "with its own client alone"), no_key_in_logs(folder))


def unencrypted(federation: SecureFederation) -> Outcome:
    federation.connect("plain", "insecure = true")
    done = subprocess.run(
        [BIN / "flwr", "ls", "plain"], env=federation.env, capture_output=True, text=True, check=False
    )
    words = "Connection to the SuperLink is unavailable"
    seen = done.stdout + done.stderr
    return Outcome(done.returncode != 0 and words in seen, words if words in seen else seen)


def no_key_in_logs(folder: Path) -> Outcome:
    """Whether no line of a private key is in a log, and no private key is readable by others."""
    keys = list(folder.rglob("*.key"))
    secrets = {line for key in keys for line in key.read_text().splitlines() if line and "KEY" not in line}
    logs = [log.read_text(errors="replace") for log in folder.rglob("*.log")]
    leaked = sum(secret in log for secret in secrets for log in logs)
    private = all(key.stat().st_mode & 0o077 == 0 for key in keys)
    assert len(keys) > 4
    assert len(logs) > 4
    return Outcome(not leaked and private, f"{len(keys)} private keys, {leaked} lines of them in {len(logs)} logs")


def expired(folder: Path) -> Iterator[Outcome]:
    try:
        with ExitStack() as stack:
            federation = SecureFederation(folder, 1, stack, days=0)
            federation.trust = ssl._create_unverified_context()  # this test must see that it serves
            federation.start_superlink()
            federation.start_supernode(0, max_retries=1)
            status, log = federation.processes["client-0"].wait(patience.left()), federation.log("client-0")
            found = "certificate has expired" in log
            yield Outcome(status != 0 and found, "refused: certificate has expired" if found else log[-400:])
    finally:
        end_all(folder)


REFUSED = "refused, gets nothing"
SCENES = (
    Scene(
        (
            Fault(5, "a SuperNode whose key is not registered", REFUSED),
            Fault(5, "a SuperNode whose key was removed", REFUSED),
            Fault(5, "a SuperLink certificate of a foreign authority", "the SuperNode sends nothing"),
            Fault(5, "a SuperNode without TLS", "its key is not used"),
            Fault(5, "plain HTTP against TLS", "refused"),
            Fault(5, "all of these", "no key is in any log or readable by others"),
        ),
        play,
    ),
    Scene((Fault(5, "an expired SuperLink certificate", "the SuperNode sends nothing"),), expired, quick=True),
)
