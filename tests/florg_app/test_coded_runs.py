"""Runs of the whole application with wire.*: bytes, and bits through restarts, absence and resume."""

import json

import pytest
import torch

from florg_app.assembly import assemble
from florg_app.checkpoints.checkpoint_file import CHECKPOINT_FILE
from florg_app.client_side.memories import REST
from florg_app.config.parse import parse_settings
from strategies.exchange.codecs.table import CODECS
from strategies.exchange.traffic import predict_coded, predict_traffic
from tests.florg_app.client_side.test_private_state import equal, observe
from tests.florg_app.test_app import SMALL, history, run, same_bits, state_of
from tests.support.fakes import known
from tests.support.interrupted import Grid, config_of, killed, serve, whole

SHORT = {"task.max-validation-rows": 8, "train.max-steps": 2}
INT4 = {"wire.upload": "int4"}
TOP_K = {"wire.upload": "top-k", "wire.top-k": 0.05}
QUIET = {"evaluate.every": 0, "server.diagnostics": False}


def manifest(**settings):
    return assemble(parse_settings({**SMALL, **settings}), torch.device("cpu")).manifest


@pytest.mark.parametrize("upload", [name for name in CODECS if name != "float32"])
def test_measured_bytes_of_a_real_model_are_the_predicted_ones(upload, tmp_path):
    settings = {"wire.upload": upload, "wire.broadcast": "int8"}
    folder = run(tmp_path / "run", **SHORT, **settings)
    layout, held = manifest(**settings), state_of(folder)
    for record in history(folder)[1:]:
        assert record["rejected"] == []
        for way, codec, shapes in (("up", upload, layout.uplink), ("down", "int8", layout.downlink)):
            predicted = predict_coded(_sizes(shapes, held), CODECS[codec](0.1), shapes)
            plain = predict_traffic(_sizes(shapes, held))
            assert record[way]["wire-bytes"] == 3 * predicted.wire_bytes < 3 * plain.wire_bytes
            assert record[way]["head-payload-bytes"] == 3 * predicted.head_payload_bytes
            assert record[way]["adapter-numbers"] == 3 * plain.adapter_numbers


def _sizes(shapes, held):
    return {key: tuple(held[key].shape) if None in shape else shape for key, shape in shapes.items()}


def test_float32_has_the_bits_and_the_bytes_of_a_run_that_says_nothing_of_the_wire(tmp_path):
    plain = run(tmp_path / "plain", **SHORT)
    said = run(tmp_path / "said", **SHORT, **{"wire.upload": "float32", "wire.broadcast": "float32"})
    assert same_bits(plain, said)
    assert all("rest-norm" not in record["train"] for record in history(said))
    for one, other in zip(history(plain), history(said), strict=True):
        assert (one.get("up"), one.get("down")) == (other.get("up"), other.get("down"))


@pytest.mark.parametrize("name", ["florg", "fedit", "fedsa-lora", "fedavg"])
def test_training_in_four_bits_with_feedback_learns(name, tmp_path):
    settings = {**INT4, "strategy.name": name, "num-server-rounds": 3, "task.max-validation-rows": 8}
    records = history(run(tmp_path / "run", **settings))
    assert records[3]["train"]["loss"] < records[1]["train"]["loss"]
    assert all(client["rest-norm"] > 0 for record in records[1:] for client in record["clients"].values())


@pytest.mark.parametrize("codec", [INT4, TOP_K], ids=["int4", "top-k"])
def test_a_run_killed_in_the_middle_of_a_round_ends_with_the_same_bits(codec, tmp_path):
    """Three of four clients are asked in a round: one is absent. Two had finished the round that is repeated."""
    settings = {**codec, **QUIET, "wire.broadcast": "int8"}
    expected = whole(tmp_path / "whole", **settings)
    grid = killed(tmp_path / "run", 3, **settings)
    config = config_of("", **settings, **{"resume-from": str(tmp_path / "run")})
    again = Grid(config)
    again._contexts = grid._contexts  # the SuperNodes have gone on living
    serve(again, config)
    assert same_bits(expected, tmp_path / "run")


@pytest.mark.parametrize("every", [1, 3])
def test_clients_that_are_restarted_too_end_with_the_same_bits(every, tmp_path):
    settings = {**INT4, **QUIET, "num-server-rounds": 7, "checkpoint.every": every}
    expected = whole(tmp_path / "whole", **settings)
    killed(tmp_path / "run", 6, tmp_path / "state", **settings)
    (tmp_path / "run" / CHECKPOINT_FILE).unlink()  # what was written while dying
    oldest = tmp_path / "run" / f"checkpoint-{4 if every == 1 else 3:06}.safetensors"
    config = config_of("", **settings, **{"resume-from": str(oldest)})
    serve(Grid(config, state_dir=tmp_path / "state"), config)
    assert same_bits(expected, tmp_path / "run")
    assert {path.name for path in (tmp_path / "state" / REST).iterdir()} == {f"{p}.safetensors" for p in range(4)}


def test_a_restart_changes_no_bit_with_a_state_directory_and_loses_the_rest_without(tmp_path):
    settings = {**TOP_K, "task.max-validation-rows": 8}
    kept = observe("florg", tmp_path / "whole", settings=settings, record=REST)
    on_disk = {"node_config": {"state-dir": str(tmp_path / "state")}}
    restarted = observe("florg", tmp_path / "again", settings=settings, record=REST, restart=True, **on_disk)
    observe("florg", tmp_path / "forgetful", settings=settings, record=REST, restart=True)
    assert same_bits(tmp_path / "whole", tmp_path / "again")
    assert not same_bits(tmp_path / "whole", tmp_path / "forgetful")
    assert all(equal(kept.remembered[key], restarted.remembered[key]) for key in kept.remembered)
    assert all(not equal(kept.remembered[t, 0], kept.remembered[t, 1]) for t in (1, 2))
    assert set(kept.remembered[1, 0]) == set(manifest().uplink)


def test_without_feedback_or_without_a_codec_a_client_remembers_nothing(tmp_path):
    for name, settings in (("plain", {}), ("stateless", {**INT4, "wire.feedback": False})):
        grid = observe("florg", tmp_path / name, settings={**settings, "task.max-validation-rows": 8}, record=REST)
        assert all(REST not in context.state for context in grid._contexts.values())
    run(tmp_path / "with", **{**INT4, **SHORT})
    assert not same_bits(tmp_path / "with", tmp_path / "stateless")


def test_clients_that_share_a_process_do_not_see_each_others_rests(tmp_path):
    settings = {**INT4, "task.max-validation-rows": 8, "strategy.name": "fedavg", "num-server-rounds": 1}
    among, alone = (
        observe("fedavg", tmp_path / place, settings=settings, record=REST, asked_alone=only)
        for place, only in (("all", None), ("few", 0))
    )
    assert equal(among.remembered[1, 0], alone.remembered[1, 0])


def test_round_0_and_what_travels_once_are_not_coded(tmp_path):
    settings = {**INT4, "wire.broadcast": "int8", "strategy.florg.basis": "gradient"}
    coded, plain = (
        history(run(tmp_path / name, **SHORT, **more))
        for name, more in (("coded", settings), ("plain", {"strategy.florg.basis": "gradient"}))
    )
    assert coded[0]["up"] == plain[0]["up"]
    layout = manifest(**settings)
    once, broadcast = predict_traffic(layout.once), predict_coded(layout.downlink, CODECS["int8"](1.0))
    assert coded[1]["down"]["wire-bytes"] == 3 * (once + broadcast).wire_bytes
    assert coded[2]["down"]["wire-bytes"] == 3 * broadcast.wire_bytes


@pytest.mark.parametrize("where", ["client", "server"])
def test_epsilon_is_that_of_the_same_run_without_a_codec(where, tmp_path):
    private = {"privacy.noise-multiplier": 1.0, "privacy.where": where, "strategy.weighting": "uniform"}
    settings = {**SHORT, **private, "strategy.name": "fedit"}
    coded, plain = (history(run(tmp_path / n, **settings, **more)) for n, more in (("coded", {**INT4}), ("plain", {})))
    assert [record.get("privacy") for record in coded] == [record.get("privacy") for record in plain]
    assert all(record["rejected"] == [] for record in coded)
    told = {"rest-norm" in client for record in coded[1:] for client in record["clients"].values()}
    assert told == {where == "server"}, "under noise of its own a client tells nothing beside its upload"
    summary = json.loads((tmp_path / "coded" / "summary.json").read_text())
    assert summary["status"] == "completed"


def test_ranks_of_their_own_go_with_coded_uploads(tmp_path):
    settings = {**SHORT, **INT4, "strategy.name": "hetlora", "adapter.client-ranks": "2,4"}
    folder = run(tmp_path / "run", **settings)
    layout = manifest(**settings)
    expected = [predict_coded(known(layout.at(rank).uplink, None), CODECS["int4"](1.0)) for rank in (2, 4, 2)]
    assert history(folder)[1]["up"]["wire-bytes"] == sum(traffic.wire_bytes for traffic in expected)
