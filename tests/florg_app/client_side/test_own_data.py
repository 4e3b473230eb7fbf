"""A client whose node configuration has a `data-path` trains on all rows of that folder and on no others."""

import pytest
import torch
from flwr.app import Message

from florg_app import client_app
from florg_app.assembly import assemble
from florg_app.config.parse import ConfigError, parse_settings
from tests.florg_app.test_app import history, run
from tests.support.local_data import write


@pytest.fixture
def folder(tmp_path):
    """A client's own data: 12 rows to train on."""
    path = tmp_path / "own"
    path.mkdir()
    rows = {"sentence1": ["a b"] * 12, "sentence2": ["b a"] * 12, "label": [0, 1, 1] * 4}
    write(path / "train.jsonl", rows)
    return path


def test_the_clients_with_a_data_path_train_on_its_rows_and_the_others_on_their_partition(folder, tmp_path):
    def client(message: Message, context):
        if context.node_config["partition-id"] == 1:
            context.node_config["data-path"] = str(folder)
        return client_app.app(message, context)

    settings = {"num-server-rounds": 1, "min-uploads": 1}
    shared = history(run(tmp_path / "shared", **settings))[1]["clients"]
    mixed = history(run(tmp_path / "mixed", client=client, **settings))[1]["clients"]
    examples = {name: record["num-examples"] for name, record in mixed.items()}
    assert examples == {**{name: record["num-examples"] for name, record in shared.items()}, "1": 12}


def test_a_share_of_the_own_rows_is_held_out(folder):
    assembly = assemble(parse_settings({"partition.holdout": 0.25}), torch.device("cpu"), folder)
    data = assembly.data.client(1, 2)
    assert (len(data.train), len(data.held_out)) == (9, 3)


def test_a_method_that_pools_rows_refuses_a_client_with_its_own(folder):
    with pytest.raises(ConfigError, match=r'strategy\.name = "centralised".*data-path'):
        assemble(parse_settings({"strategy.name": "centralised"}), torch.device("cpu"), folder)
