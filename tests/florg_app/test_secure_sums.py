"""Secure sums in the whole application: real models and clients that keep what they know in their Context alone."""

import re

import pytest
import torch
from flwr.app import Context, Message, RecordDict
from flwr.serverapp.exception import AggregationError

from florg_app import client_app
from florg_app.assembly import assemble
from florg_app.config.parse import parse_settings
from florg_app.engines.inline import task_identity
from florg_app.server_app import SUMS_ALONE
from strategies.exchange.lineage import Attempt, Lineage
from strategies.exchange.secure_step import step_content, step_message
from strategies.exchange.traffic import SECURE_SUM
from strategies.exchange.wire import ARRAYS, RefusalError
from strategies.protection.secure_sum.rules import predict_messages
from strategies.protection.secure_sum.upload import predict_masked_upload
from tests.florg_app.test_app import SMALL, history, run, same_bits, state_of

SUMMAND = {"strategy.upload": "summand", "min-clients": 3}
SECURE = {**SUMMAND, "privacy.secure-sum": True}
FEDIT = {"strategy.name": "fedit"}


def test_a_run_with_secure_sums_has_the_same_bits_each_time(tmp_path):
    assert same_bits(*(run(tmp_path / folder, **SECURE) for folder in ("one", "again")))


@pytest.mark.parametrize("name", ["florg", "fedsa-lora", "slora"])
def test_a_run_with_secure_sums_ends_like_one_without(name, tmp_path):
    own = {"strategy.name": name}
    secure = run(tmp_path / "secure", **SECURE, **own)
    assert all(not record["rejected"] and not record["skipped"] for record in history(secure))
    plain = state_of(run(tmp_path / "plain", **SUMMAND, **own))
    for key, tensor in state_of(secure).items():
        torch.testing.assert_close(tensor, plain[key], rtol=1e-3, atol=1e-4)


def test_the_bytes_of_a_real_model_are_those_predicted(tmp_path):
    record = history(run(tmp_path / "run", **SECURE, **FEDIT))[1]
    manifest = assemble(parse_settings({**SMALL, **SECURE, **FEDIT}), torch.device("cpu")).manifest
    sizes = {key: tuple(size or 0 for size in shape) for key, shape in manifest.uplink.items()}
    up, down = predict_messages(3, 3, 3, 3)
    plain = history(run(tmp_path / "plain", **SUMMAND, **FEDIT))[1]
    assert record["up"]["wire-bytes"] == (predict_masked_upload(sizes) * 3 + up).wire_bytes
    assert record["up"]["adapter-payload-bytes"] == 2 * plain["up"]["adapter-payload-bytes"]
    assert record["down"]["wire-bytes"] == plain["down"]["wire-bytes"] + down.wire_bytes


def test_a_client_tells_nothing_beside_its_part_in_the_sum_and_the_run_says_what_is_missing(tmp_path, caplog):
    with caplog.at_level("INFO", "flwr"):
        record = history(run(tmp_path / "run", **SECURE, **FEDIT))[1]
    assert SUMS_ALONE in caplog.text
    assert not any("aggregation-error" in numbers for numbers in record["diagnostics"].values())
    assert record["clients"] == {str(p): {"partition-id": p, "num-examples": 1, "rank": 4} for p in range(3)}
    assert record["weights"] == {}
    assert record["secure-sum"]["weight"] == 240


class Watching:
    """The real client; notes what it sends, and can lose what it knew before a message."""

    def __init__(self, restart=()):
        self.restart, self.sent, self.known = set(restart), [], []

    def __call__(self, message: Message, context):
        partition, kind = int(context.node_config["partition-id"]), message.metadata.message_type
        step = message.content.config_records[SECURE_SUM]["step"] if SECURE_SUM in message.content else ""
        if (partition, step) in self.restart:
            context.state = RecordDict()
        reply = client_app.app(message, context)
        if kind == "train":
            arrays = reply.content.array_records[ARRAYS]
            self.sent.append(b"".join(array.numpy().tobytes() for array in arrays.values()))
        if step:
            self.known.append((partition, step, dict(context.state.config_records[SECURE_SUM])))
        return reply


@pytest.mark.parametrize("step", ["shares", "upload"])
def test_a_client_that_is_started_anew_within_a_round_counts_as_dropped_out(step, tmp_path):
    records = history(run(tmp_path / "run", client=Watching([(1, step)]), **{**SECURE, "num-server-rounds": 1}))
    (rejected,) = records[1]["rejected"]
    assert rejected["partition"] == 1
    assert "was started anew within the round" in rejected["reason"]
    assert records[1]["accepted"] == [0, 2]
    assert records[1]["skipped"] == ""


def test_no_upload_of_equal_clients_in_equal_rounds_resembles_another(tmp_path):
    """The same seed, the same rows: what was learned is equal, and not one word of what was sent."""
    watching = [Watching(), Watching()]
    for index, client in enumerate(watching):
        run(tmp_path / str(index), client=client, **{**SECURE, "num-server-rounds": 1})
    for one, other in zip(*(sorted(w.sent) for w in watching), strict=True):
        words = [{data[i : i + 8] for i in range(0, len(data), 8)} for data in (one, other)]
        assert not words[0] & words[1]


def test_a_client_keeps_no_secret_of_a_round_beyond_it(tmp_path):
    client = Watching()
    run(tmp_path / "run", client=client, **SECURE)
    secrets = {
        value
        for _, step, known in client.known
        if step in ("keys", "shares")
        for key, value in known.items()
        if key in ("encryption", "masking", "self-mask")
    }
    assert len(secrets) == 2 * 3 * 3  # rounds, clients, secrets
    for _, step, known in client.known:
        if step == "upload":
            assert not secrets & {value for value in known.values() if isinstance(value, bytes)}
        if step == "reveal":
            assert known.keys() == {"attempt", "summed"}


def test_secrets_of_secure_sums_are_never_on_a_disk(tmp_path):
    from florg_app.engines import inline

    client, folder = Watching(), tmp_path / "run"
    config = {**SMALL, **SECURE, "strategy.name": "fedsa-lora", "train.optimizer-state": "keep"}
    with task_identity():
        from florg_app import server_app

        grid = inline.InProcessGrid(client, {**config, "output-dir": str(folder)}, 3, tmp_path / "clients")
        server_app.serve(grid, parse_settings({**config, "output-dir": str(folder)}))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("clients" in path.parts for path in files)
    secrets = [known[key] for _, step, known in client.known if step == "keys" for key in ("encryption", "masking")]
    contents = [path.read_bytes() for path in files]
    assert not any(secret in content or secret.hex().encode() in content for secret in secrets for content in contents)


def test_noise_of_the_clients_is_in_the_sum_and_the_summand_is_clipped_before(tmp_path):
    noise = {"privacy.noise-multiplier": 1e-6, "privacy.clip": 0.1, "strategy.weighting": "uniform", **FEDIT}
    secure = run(tmp_path / "secure", **SECURE, **noise)
    plain = state_of(run(tmp_path / "plain", **SUMMAND, **noise))
    free = state_of(run(tmp_path / "free", **SUMMAND, **FEDIT, **{"strategy.weighting": "uniform"}))
    for key, tensor in state_of(secure).items():
        torch.testing.assert_close(tensor, plain[key], rtol=1e-3, atol=1e-5)
    assert any(not torch.allclose(plain[key], free[key], atol=1e-3) for key in plain)
    assert history(secure)[-1]["privacy"]["rounds"] == 2


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"privacy.max-number": 1e-3}, "numbers beyond privacy.max-number = 0.001; raise it"),
        ({"privacy.max-examples": 7, **FEDIT}, r"a weight outside 1 \.\. 7; raise privacy.max-examples"),
    ],
    ids=["number", "weight"],
)
def test_a_client_whose_part_the_sum_cannot_hold_says_which_setting_to_change_and_not_its_numbers(
    changed, reason, tmp_path
):
    with pytest.raises(AggregationError, match="0 clients uploaded, and a secure sum needs 2"):
        run(tmp_path / "run", **SECURE, **changed, **{"max-skipped": 1})
    rejected = history(tmp_path / "run")[1]["rejected"]
    assert [r["partition"] for r in rejected] == [0, 1, 2]
    assert all(re.search(reason, r["reason"]) for r in rejected)


def test_a_step_of_a_secure_sum_is_refused_where_the_settings_have_none(tmp_path):
    client = Watching()
    run(tmp_path / "run", client=client, **{**SUMMAND, "num-server-rounds": 1})
    assert client.known == []
    context = Context(1, 5, {"partition-id": 0, "num-partitions": 1}, RecordDict(), dict(SUMMAND))
    with task_identity():
        content = step_content("keys", b"", Lineage("run", (Attempt("first"),)), 1)
        with pytest.raises(RefusalError, match=r"privacy.secure-sum = false here"):
            client_app.app(step_message(content, 5, 1, 10.0), context)
