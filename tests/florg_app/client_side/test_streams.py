"""Random numbers of local training: a stream of its own for each client and round, the same in every run of a seed."""

import pytest

from clients import trainer
from florg_app import client_app
from strategies.exchange.wire import CONFIG, ROUND
from tests.florg_app.test_app import run

TINY = {
    "num-server-rounds": 3,
    "task.max-train-rows": 64,
    "task.max-validation-rows": 16,
    "train.max-steps": 1,
    "evaluate.every": 0,
}


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """{(round, partition): seed} of the local training of a run."""
    train, seen = trainer.local_train, {}
    place = ()

    def client(message, context):
        nonlocal place
        if message.metadata.message_type == "train":
            place = int(message.content.config_records[CONFIG][ROUND]), context.node_config["partition-id"]
        return client_app.app(message, context)

    def noting(*args, seed, **options):
        seen[place] = seed
        return train(*args, seed=seed, **options)

    monkeypatch.setattr(trainer, "local_train", noting)

    def drawn(num_clients, **settings):
        seen.clear()
        run(tmp_path / f"{len(list(tmp_path.iterdir()))}", num_clients, client, **TINY, **settings)
        return dict(seen)

    return drawn


def test_every_client_in_every_round_draws_from_a_stream_of_its_own(drawn):
    streams = drawn(3)
    assert streams.keys() == {(t, partition) for t in (1, 2, 3) for partition in range(3)}
    assert len(set(streams.values())) == 9


def test_the_streams_follow_from_seed_round_and_partition_alone(drawn):
    streams = drawn(3)
    assert drawn(3) == streams
    assert set(drawn(3, seed=2).values()).isdisjoint(streams.values())
    fewer = drawn(2, **{"strategy.name": "fedit"})
    assert fewer == {place: streams[place] for place in fewer}
