"""Real processes as in production: TLS, registered SuperNodes, their own data and state."""

from pathlib import Path

import pytest
from flwr.app import Message
from safetensors import safe_open

from florg_app import client_app
from tests.florg_app.test_app import SMALL, history, run, same_bits
from tests.florg_app.test_worlds import florg_run
from tests.support.local_data import write
from tests.support.processes import processes_of
from tests.support.secure_federation import CONNECTION, federation_of

pytestmark = pytest.mark.slow


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
