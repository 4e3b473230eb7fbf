"""Runs that begin from the clients' gradients: round 0, what travels once to whom, and what does not go with it."""

import json

import pytest
import torch
from flwr.serverapp.exception import AggregationError

from florg_app import client_app
from florg_app.assembly import assemble
from florg_app.checkpoints.load_run import load_run
from florg_app.client_side.round_zero import round_zero_of
from florg_app.config.parse import ConfigError, parse_settings
from florg_app.exports.export import export_run
from strategies.exchange.traffic import predict_traffic
from strategies.protection.accountant import epsilon
from tests.florg_app.test_app import SMALL, history, run, same_bits, state_of

FLORG = {"strategy.florg.basis": "gradient"}
FEDIT = {"strategy.name": "fedit", "adapter.start": "gradient"}
FFA = {"strategy.name": "ffa-lora", "strategy.ffa-lora.start": "gradient"}
STARTS = pytest.mark.parametrize("start", [FLORG, FEDIT, FFA], ids=["florg", "fedit", "ffa-lora"])


def layouts(start):
    """(the manifest of the run, that of round 0)"""
    settings = parse_settings({**SMALL, **start})
    assembly = assemble(settings, torch.device("cpu"))
    return assembly.manifest, round_zero_of(settings, assembly)[1]


def answers(handle):
    """A client app whose train messages go through `handle(round, partition, context)` first."""

    def client(message, context):
        if message.metadata.message_type == "train":
            handle(int(message.metadata.group_id), int(context.node_config["partition-id"]), context)
        return client_app.app(message, context)

    return client


def down(records):
    return [record["down"]["adapter-numbers"] for record in records]


@STARTS
def test_every_byte_of_round_0_and_of_what_travels_once_is_in_the_record(start, tmp_path):
    records = history(run(tmp_path / "run", **start))
    manifest, sketches = layouts(start)
    assert [record["round"] for record in records] == [0, 1, 2]
    once, broadcast = predict_traffic(manifest.once), predict_traffic(manifest.downlink)
    for record, up, expected in zip(
        records,
        (sketches.uplink, manifest.uplink, manifest.uplink),
        (predict_traffic({}), broadcast + once, broadcast),
        strict=True,
    ):
        for direction, predicted in (("up", predict_traffic(up)), ("down", expected)):
            assert record[direction]["wire-bytes"] == 3 * predicted.wire_bytes
            assert record[direction]["adapter-numbers"] == 3 * predicted.adapter_numbers
    assert all(record["rejected"] == [] for record in records)
    assert records[2]["train"]["loss"] < records[1]["train"]["loss"]


def test_a_sketch_has_twice_the_rank_as_columns_unless_more_or_fewer_are_asked_for(tmp_path):
    records = history(run(tmp_path / "run", **FEDIT, **{"start.columns": 5, "num-server-rounds": 1}))
    groups = layouts(FEDIT)[0].groups
    sides = sum(len(group.layers) * (group.out_features + group.in_features) for group in groups)
    assert records[0]["up"]["adapter-numbers"] == 3 * 5 * sides
    assert layouts(FEDIT)[1].rank == 2 * layouts(FEDIT)[0].rank


def test_the_same_seed_gives_the_same_bits_and_another_start_others(tmp_path):
    one, other = (run(tmp_path / name, **FLORG) for name in ("one", "other"))
    assert same_bits(one, other)
    assert not same_bits(one, run(tmp_path / "rows", **FLORG, **{"start.rows": 8}))


def test_a_client_that_comes_late_gets_what_travels_once_with_its_first_broadcast(tmp_path):
    def late(t, partition, context):
        if partition == 2 and t < 2:
            raise RuntimeError("not yet")

    records = history(run(tmp_path / "run", client=answers(late), **FLORG, **{"num-server-rounds": 3}))
    manifest, _ = layouts(FLORG)
    once, broadcast = (predict_traffic(shapes).adapter_numbers for shapes in (manifest.once, manifest.downlink))
    # In round 1 it is sent to all three, of whom one does not hold it: that one gets it again in round 2.
    assert down(records) == [0, 3 * (broadcast + once), 3 * broadcast + once, 3 * broadcast]
    assert [record["accepted"] for record in records] == [[0, 1], [0, 1], [0, 1, 2], [0, 1, 2]]


def test_a_client_that_lost_its_memory_says_so_and_gets_it_again_in_the_next_round(tmp_path):
    def forget(t, partition, context):
        if (t, partition) == (2, 1):
            context.state.clear()

    records = history(run(tmp_path / "run", client=answers(forget), **FLORG, **{"num-server-rounds": 4}))
    (rejected,) = records[2]["rejected"]
    assert rejected["partition"] == 1
    assert "no longer has what the server sent it once" in rejected["reason"]
    manifest, _ = layouts(FLORG)
    once, broadcast = (predict_traffic(shapes).adapter_numbers for shapes in (manifest.once, manifest.downlink))
    extra = [numbers - 3 * broadcast for numbers in down(records)[1:]]
    assert extra == [3 * once, 0, once, 0]
    assert [len(record["accepted"]) for record in records] == [3, 3, 2, 3, 3]


@STARTS
def test_a_resumed_run_has_no_second_round_0_and_the_same_bits(start, tmp_path):
    whole = run(tmp_path / "whole", **start, **{"num-server-rounds": 3})
    half = run(tmp_path / "half", **start, **{"num-server-rounds": 1})
    asked = []
    client = answers(lambda t, partition, context: asked.append(t))
    run(half, client=client, **start, **{"num-server-rounds": 3, "resume-from": str(half), "output-dir": ""})
    assert set(asked) == {2, 3}
    assert same_bits(whole, half)


@STARTS
def test_a_run_that_is_stopped_in_round_1_goes_on_from_what_round_0_made(start, tmp_path):
    def stopped(t, partition, context):
        if t == 1:
            raise KeyboardInterrupt

    whole = run(tmp_path / "whole", **start, **{"num-server-rounds": 2})
    half, asked = tmp_path / "half", []
    with pytest.raises(KeyboardInterrupt):
        run(half, client=answers(stopped), **start, **{"num-server-rounds": 2})
    client = answers(lambda t, partition, context: asked.append(t))
    run(half, client=client, **start, **{"num-server-rounds": 2, "resume-from": str(half), "output-dir": ""})
    assert set(asked) == {1, 2}
    assert same_bits(whole, half)


@pytest.mark.parametrize(
    "protection",
    [
        {"strategy.upload": "summand"},
        {"strategy.upload": "summand", "privacy.secure-sum": True, "min-clients": 4},
        {"robust.norm-bound": 50.0},
    ],
    ids=["summand", "secure-sum", "norm-bound"],
)
def test_round_0_goes_with_every_form_of_an_upload(protection, tmp_path):
    plain = run(tmp_path / "plain", num_clients=4, **FLORG, **{"num-server-rounds": 1})
    protected = run(tmp_path / "protected", num_clients=4, **FLORG, **protection, **{"num-server-rounds": 1})
    assert history(protected)[0]["accepted"] == [0, 1, 2, 3]
    for key in ("64x64/U", "64x64/V"):
        one, other = (state_of(folder)[key] for folder in (plain, protected))
        torch.testing.assert_close(one @ one.mT, other @ other.mT, rtol=0, atol=1e-2)


def test_a_hostile_sketch_is_outvoted_in_round_0(tmp_path):
    robust = {"robust.combine": "median", "strategy.weighting": "uniform", "num-server-rounds": 1}
    assert history(run(tmp_path / "run", num_clients=5, **FLORG, **robust))[0]["skipped"] == ""


@pytest.mark.parametrize(("where", "start"), [("client", FLORG), ("server", FFA)])
def test_round_0_is_clipped_and_noised_as_every_round_and_counts_in_epsilon(where, start, tmp_path):
    noise = {"privacy.noise-multiplier": 0.8, "privacy.clip": 0.1, "privacy.where": where}
    records = history(run(tmp_path / "run", **start, **noise, **{"strategy.weighting": "uniform"}))
    assert [record["privacy"]["rounds"] for record in records] == [1, 2, 3]
    assert records[-1]["privacy"]["epsilon"] == epsilon(0.8, 3, 1e-5)


def test_a_round_0_without_enough_uploads_is_tried_again_and_fails_the_run_after_max_skipped(tmp_path):
    tried = []

    def fail(times):
        def handle(t, partition, context):
            if t == 0:
                tried.append(partition)
                if len(tried) <= 3 * times:
                    raise RuntimeError("no")

        return answers(handle)

    records = history(run(tmp_path / "one", client=fail(1), **FLORG, **{"num-server-rounds": 1}))
    assert tried == [0, 1, 2] * 2
    assert records[0]["accepted"] == [0, 1, 2]
    tried.clear()
    with pytest.raises(AggregationError, match="2 rounds in a row were skipped"):
        run(tmp_path / "two", client=fail(9), **FLORG, **{"max-skipped": 2})
    assert json.loads((tmp_path / "two" / "summary.json").read_text())["status"] == "failed"


def test_a_federation_may_begin_from_a_part_of_its_clients(tmp_path):
    records = history(run(tmp_path / "run", num_clients=4, **FLORG, **{"fraction-train": 0.5}))
    assert records[0]["sampled"] == records[1]["sampled"]
    assert len(records[0]["sampled"]) == 2


@STARTS
def test_the_result_is_exported_as_any_other(start, tmp_path):
    folder = run(tmp_path / "run", **start)
    export_run(folder, None, False, torch.device("cpu"), print)
    assert (folder / "adapter" / "adapter_model.safetensors").exists()
    assert load_run(folder, torch.device("cpu")).is_low_rank


REFUSED = [
    ({"adapter.start": "gradient"}, r'adapter\.start = "gradient" is impossible .*"florg".*strategy\.florg\.basis'),
    ({"strategy.name": "federa", "adapter.start": "gradient"}, r'"federa".*strategy\.name to fedit \| '),
    ({**FFA, "adapter.start": "gradient"}, r'"ffa-lora".*strategy\.ffa-lora\.start'),
    ({**FEDIT, "start.columns": 3}, r"start\.columns = 3 is below adapter\.rank = 4"),
    ({"start.columns": 9}, r"start\.columns = 9 is read where a run begins from the gradient alone"),
    ({**FLORG, "strategy.florg.zero-start": False}, r'basis = "gradient" has two bases'),
    ({**FLORG, "strategy.florg.bases": "one"}, r'basis = "gradient" has two bases'),
    ({**FLORG, "adapter.start-from": "somewhere"}, r"adapter\.start-from are two starts"),
]


@pytest.mark.parametrize(("settings", "message"), REFUSED, ids=str)
def test_what_does_not_go_with_a_start_from_the_gradient_is_refused_by_name(settings, message):
    with pytest.raises(ConfigError, match=message):
        parse_settings(settings)
