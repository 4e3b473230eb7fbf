"""Real runs in one process whose factors do not all have the largest rank."""

import pytest
import torch

from florg_app.assembly import assemble
from florg_app.config.parse import parse_settings
from strategies import METHODS
from strategies.exchange.traffic import predict_traffic
from strategies.state import fits
from tests.florg_app.test_app import SMALL, history, run, state_of

NAMES = [name for name, cls in METHODS.items() if cls().traits.client_ranks]


@pytest.mark.parametrize("name", NAMES)
def test_clients_of_other_ranks_train_together_and_send_what_their_ranks_say(name, tmp_path):
    settings = {"strategy.name": name, "adapter.client-ranks": "1,4", "partition.alpha": 2.0}
    records = history(run(tmp_path / "run", **settings))
    assert records[2]["train"]["loss"] < records[1]["train"]["loss"]
    assembly = assemble(parse_settings({**SMALL, **settings}), torch.device("cpu"))
    numbers = [predict_traffic(assembly.manifest.at(rank).uplink).adapter_numbers for rank in (1, 4, 1)]
    assert records[1]["up"]["adapter-numbers"] == sum(numbers)
    assert [client["rank"] for client in records[1]["clients"].values()] == [1, 4, 1]
    found, expected = state_of(tmp_path / "run"), assembly.manifest.held
    assert found.keys() == expected.keys()
    assert all(fits(tensor.shape, expected[key]) for key, tensor in found.items())
