"""Real processes as in production: TLS, registered SuperNodes, their own data and state; everybody else is refused."""

import subprocess
import urllib.request
from pathlib import Path

import pytest
from flwr.app import Message
from safetensors import safe_open

from florg_app import certs, client_app
from tests.local_data import write
from tests.processes import BIN, processes_of
from tests.secure_federation import CONNECTION, SecureFederation, federation_of
from tests.test_app import SMALL, history, run, same_bits
from tests.test_worlds import florg_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def own_rows(folder: Path) -> Path:
    """The data of one client: 20 rows."""
    folder.mkdir()
    rows = {"sentence1": ["a b"] * 20, "sentence2": ["b a"] * 20, "label": [0, 1, 1, 0] * 5}
    write(folder / "train.jsonl", rows)
    return folder


def test_a_secured_federation_trains_on_own_data_keeps_its_state_and_gives_the_bits_of_the_simulation(tmp_path):
    data, state = own_rows(tmp_path / "data"), tmp_path / "state"
    settings = {**SMALL, "min-clients": 2, "strategy.name": "fedsa-lora"}

    def client(message: Message, context):
        if context.node_config["partition-id"] == 1:
            context.node_config["data-path"] = str(data)
        return client_app.app(message, context)

    with federation_of(tmp_path, 2, f'state-dir="{state}"', f'state-dir="{state}" data-path="{data}"') as federation:
        output = tmp_path / "deployed"
        done = florg_run(output, "--connection", CONNECTION, settings=settings, env=federation.env)
        assert done.returncode == 0, done.stdout + done.stderr
        assert {node["status"] for node in federation.nodes()} == {"online"}
    records = history(output)
    assert [record["accepted"] for record in records[1:]] == [[0, 1]] * 2
    assert records[1]["clients"]["1"]["num-examples"] == 20
    assert same_bits(output, run(tmp_path / "inline", num_clients=2, client=client, **settings))
    assert {file.name for file in state.iterdir()} == {"client-0.safetensors", "client-1.safetensors"}
    with safe_open(state / "client-1.safetensors", "np") as kept:
        assert kept.metadata()["partition-id"] == "1"
    assert processes_of(tmp_path) == []


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A SuperLink with one registered client."""
    with federation_of(tmp_path_factory.mktemp("guarded"), 1, "") as federation:
        federation.await_line("superlink", "Activated node_id")
        yield federation
        assert [node["status"] for node in federation.nodes() if node["status"] != "unregistered"] == ["online"]


def refused(federation: SecureFederation, client: str, because: str, **options: str) -> None:
    """Start a SuperNode that must not get in, and see it end for this reason."""
    known = {node["node-id"] for node in federation.nodes()}
    federation.start_supernode(0, client, max_retries=2, **options)
    assert federation.processes[client].wait(90) != 0
    assert because in federation.log(client)
    assert {node["node-id"] for node in federation.nodes()} == known


def test_a_supernode_whose_key_is_not_registered_is_refused(guarded):
    certs.make(guarded.keys, [], ["stranger"], days=2)
    refused(guarded, "stranger", "Failed to activate SuperNode")
    assert "No SuperNode found with the given public key" in guarded.log("superlink")


def test_a_supernode_that_trusts_another_authority_does_not_talk_to_the_superlink(guarded, tmp_path):
    certs.make(tmp_path, ["localhost"], [], days=2)
    certs.make(guarded.keys, [], ["misled"], days=2)
    refused(guarded, "misled", "CERTIFICATE_VERIFY_FAILED", tls=f"--root-certificates {tmp_path}/ca/ca.crt")


def test_a_key_is_not_used_without_tls(guarded):
    certs.make(guarded.keys, [], ["plain"], days=2)
    refused(guarded, "plain", "TLS is not enabled", tls="--insecure")


def test_plain_http_is_refused(guarded):
    with pytest.raises(OSError, match=r"."):
        urllib.request.urlopen(f"http://{guarded.address}/health", timeout=5)
    guarded.connect("plain", "insecure = true")
    done = subprocess.run([BIN / "flwr", "ls", "plain"], env=guarded.env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Connection to the SuperLink is unavailable" in done.stdout + done.stderr


def test_a_removed_client_is_refused_for_good(guarded):
    certs.make(guarded.keys, [], ["leaver"], days=2)
    guarded.register("leaver")
    (node,) = [node for node in guarded.nodes() if node["status"] == "registered"]
    guarded.flwr("supernode", "unregister", node["node-id"], CONNECTION)
    refused(guarded, "leaver", "Failed to activate SuperNode")
