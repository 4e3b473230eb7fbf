"""The default of robust.max-share is met by no client of a federation that only shares its rows unevenly."""

import pytest
from datasets import Dataset

from florg_app.config.protection import RobustSettings
from florg_app.config.settings import PartitionSettings
from florg_app.data.partition import partition_rows

UNEVEN = [
    *(PartitionSettings(name="dirichlet", alpha=alpha) for alpha in (0.1, 0.3, 0.5)),
    PartitionSettings(name="linear"),
    PartitionSettings(name="square"),
]


@pytest.mark.parametrize("clients", [3, 5])
@pytest.mark.parametrize("partition", UNEVEN, ids=lambda partition: f"{partition.name} {partition.alpha}")
@pytest.mark.parametrize("classes", [2, 4])
def test_no_client_of_three_or_more_has_the_default_share_of_the_rows(classes, partition, clients):
    rows = Dataset.from_dict({"label": [row % classes for row in range(1200)]})
    parts = [part for seed in range(4) for part in partition_rows(rows, "label", partition, clients, seed)]
    assert max(map(len, parts)) / len(rows) < RobustSettings().max_share
