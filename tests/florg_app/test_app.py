"""The whole application in one process: server, clients, embedded task."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from flwr.app import Message
from flwr.serverapp.exception import AggregationError

from florg_app import client_app, server_app
from florg_app.assembly import assemble
from florg_app.checkpoints import checkpoint_file
from florg_app.config.parse import ConfigError, parse_settings
from florg_app.engines import inline
from florg_app.engines.inline import InProcessGrid, task_identity
from strategies import METHODS
from strategies.exchange.traffic import predict_traffic
from strategies.exchange.wire import CONFIG
from tests.support.fakes import known

SMALL = {
    "num-server-rounds": 2,
    "task.max-train-rows": 240,
    "task.max-validation-rows": 64,
    "client.threads": 1,
}


def run(folder: Path, num_clients: int = 3, client=client_app.app, **settings) -> Path:
    config = {**SMALL, "output-dir": str(folder), **{key.replace("__", "."): value for key, value in settings.items()}}
    with task_identity():
        server_app.serve(InProcessGrid(client, config, num_clients), parse_settings(config))
    return folder


def history(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def state_of(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint_file.load_checkpoint(folder / "checkpoint.safetensors")[0].flat


def same_bits(one: Path, other: Path) -> bool:
    first, second = state_of(one), state_of(other)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", METHODS)
def test_a_run_writes_what_it_promises_and_the_loss_falls(name, tmp_path):
    records = history(run(tmp_path / "run", **{"strategy.name": name, "partition.alpha": 2.0}))
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {
        "history.jsonl",
        "summary.json",
        "curves.png",
        "checkpoint.safetensors",
    }
    assert [record["round"] for record in records] == [0, 1, 2]
    assert records[2]["train"]["loss"] < records[1]["train"]["loss"]
    if METHODS[name]().plan.has_global_model:
        assert set(records[2]["evaluation"]) >= {"accuracy", "f1", "loss"}
        assert records[2]["no-evaluation"] == ""
    else:
        assert records[2]["evaluation"] is None
        assert "no global model to score, since clients keep" in records[2]["no-evaluation"]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "completed"


OF_ONE_SIZE = {
    "fedmomentum": {"strategy.fedmomentum.residual": "dense"},
    "florist": {"strategy.florist.base": "dense"},
}
"""Settings with which what a method sends has the same size in all rounds."""


@pytest.mark.parametrize("name", METHODS)
def test_measured_bytes_of_a_real_model_are_the_predicted_ones(name, tmp_path):
    settings = {"strategy.name": name, **OF_ONE_SIZE.get(name, {})}
    records = history(run(tmp_path / "run", **settings))
    manifest = assemble(parse_settings({**SMALL, **settings}), torch.device("cpu")).manifest
    held, _ = checkpoint_file.load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    for record in records[1:]:
        (rank,) = {client["rank"] for client in record["clients"].values()}
        sent = manifest.in_round(METHODS[name](), record["round"]).at(rank)
        for direction, shapes in (("up", sent.uplink), ("down", sent.downlink)):
            predicted = predict_traffic(known(shapes, held)) * len(record["accepted"])
            assert record[direction]["wire-bytes"] == predicted.wire_bytes
            assert record[direction]["adapter-numbers"] == predicted.adapter_numbers


def test_a_state_whose_size_changes_with_the_round_runs_too(tmp_path):
    folder = run(tmp_path / "run", **{"strategy.name": "fedex-lora", "strategy.fedex-lora.residual": "factored"})
    first, second = (record["down"]["adapter-numbers"] for record in history(folder)[1:])
    assert second == first + first // 4 * 8  # (n - 1) r = 8 columns more than r = 4
    assert {tensor.shape[-1] for key, tensor in state_of(folder).items() if key.endswith("/U")} == {16}


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(tmp_path):
    one, again, other = (run(tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert same_bits(one, again)
    assert not same_bits(one, other)


class BackwardGrid(InProcessGrid):
    """Serves the last client first."""

    def pull_messages(self, message_ids):
        due = max(self._waiting, key=int, default=None)
        return super().pull_messages([due] if due in message_ids else [])


def test_clients_that_share_a_process_do_not_see_each_other(tmp_path):
    forward = run(tmp_path / "forward", **{"adapter.dropout": 0.1})
    config = {**SMALL, "output-dir": str(tmp_path / "backward"), "adapter.dropout": 0.1}
    with task_identity():
        server_app.serve(BackwardGrid(client_app.app, config, 3), parse_settings(config))
    assert same_bits(forward, tmp_path / "backward")


def test_the_client_that_pools_the_rows_has_exactly_those_of_all_clients(tmp_path):
    settings = {"num-server-rounds": 1, "partition.holdout": 0.2, "evaluate.on-clients": True}
    spread = history(run(tmp_path / "spread", **settings, **{"strategy.name": "fedit"}))[1]
    (pooled,) = history(run(tmp_path / "pooled", **settings, **{"strategy.name": "centralised"}))[1]["clients"].values()
    for count in ("num-examples", "own-examples"):
        assert pooled[count] == sum(client[count] for client in spread["clients"].values())
    assert pooled["num-examples"] + pooled["own-examples"] == SMALL["task.max-train-rows"]


@pytest.mark.parametrize("part", ["source", "backbone", "tokens", "manifest", "bases"])
def test_a_client_of_another_kind_refuses_and_the_report_says_why(part, tmp_path):
    def other(message: Message, context):
        if message.metadata.message_type == "train" and context.node_config["partition-id"] == 1:
            message.content.config_records[CONFIG][part] = "another"
        reply = client_app.app(message, context)
        return reply

    class Isolated(InProcessGrid):
        """Gives each client a message of its own, as a network does."""

        def push_messages(self, messages):
            copies = []
            for message in messages:
                content = message.content.copy()
                content[CONFIG] = message.content.config_records[CONFIG].copy() if CONFIG in content else content
                message.content = content
                copies.append(message)
            return super().push_messages(copies)

    config = {**SMALL, "output-dir": str(tmp_path / "run"), "num-server-rounds": 1}
    with task_identity():
        server_app.serve(Isolated(other, config, 3), parse_settings(config))
    (rejected,) = history(tmp_path / "run")[1]["rejected"]
    assert rejected["partition"] == 1
    assert f"{part} is" in rejected["reason"]
    assert "another on the server" in rejected["reason"]


def test_a_client_out_of_memory_says_what_to_lower(tmp_path, monkeypatch):
    def exhausted(*args, **kwargs):
        raise torch.OutOfMemoryError("tried to allocate 2.00 GiB")

    monkeypatch.setattr(client_app.trainer, "local_train", exhausted)
    with pytest.raises(AggregationError, match=r"lower train\.batch-size|0 of 3 uploads"):
        run(tmp_path / "run", **{"max-skipped": 1})
    reasons = [rejected["reason"] for rejected in history(tmp_path / "run")[1]["rejected"]]
    assert all("out of GPU memory: lower train.micro-batch-size or task.max-length" in reason for reason in reasons)
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "failed"
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_a_rank_that_does_not_fit_ends_the_run_before_round_1(tmp_path):
    with pytest.raises(ValueError, match=r"adapter.rank = 1000 exceeds min\(out, in\)"):
        run(tmp_path / "run", **{"adapter.rank": 1000})
    assert history(tmp_path / "run") == []


def test_targets_that_match_nothing_list_what_could_have_matched(tmp_path):
    with pytest.raises(ValueError, match=r"adapter.targets = 'nothing'.*query"):
        run(tmp_path / "run", **{"adapter.targets": "nothing"})


def test_an_output_folder_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"output-dir .* cannot be written"):
        run(tmp_path / "file" / "run")


def test_clients_score_their_held_out_rows_within_the_train_message(tmp_path):
    record = history(run(tmp_path / "run", **{"evaluate.on-clients": True, "partition.holdout": 0.2}))[1]
    clients = record["clients"].values()
    rows = [client["own-examples"] for client in clients]
    assert len(set(rows)) > 1
    for name in ("accuracy", "loss"):
        scores = [client[f"own-{name}"] for client in clients]
        assert record["own"]["mean"][name] == pytest.approx(sum(scores) / 3)
        assert record["own"]["weighted"][name] == pytest.approx(np.average(scores, weights=rows))


def test_clients_may_score_the_rows_of_the_central_evaluation(tmp_path):
    """They all received the model that the server scored at the end of the round before."""
    on = {"evaluate.on-clients": True, "evaluate.client-rows": "validation"}
    records = history(run(tmp_path / "run", **on, **{"train.precision": "float32"}))
    for before, after in pairwise(records):
        assert after["own"]["mean"] == pytest.approx(before["evaluation"], abs=1e-6)


def test_zero_start_begins_at_the_pretrained_model(tmp_path):
    short = {"task.max-validation-rows": 256, "num-server-rounds": 1}
    far = {**short, "strategy.florg.initial-std": 0.5}
    with_zero = history(run(tmp_path / "zero", **far, **{"strategy.florg.zero-start": True}))[0]["evaluation"]
    without = history(run(tmp_path / "plain", **far, **{"strategy.florg.zero-start": False}))[0]["evaluation"]
    lora = history(run(tmp_path / "lora", **short, **{"strategy.name": "fedit"}))  # B = 0: starts at W0 too
    assert with_zero["loss"] == pytest.approx(lora[0]["evaluation"]["loss"], abs=1e-5)
    assert abs(without["loss"] - with_zero["loss"]) > 1e-3


def test_unusable_settings_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match=r"adapter\.rank"):
        inline.run_in_process({"adapter.rank": 0, "output-dir": str(tmp_path / "run")}, 2)
    assert not (tmp_path / "run").exists()
