"""A secure sum over messages, with clients as they are and no models: who leaves, who cheats, what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from flwr.app import Context, RecordDict

from florg_app.client_side.secure_sum import SecureSumClient
from strategies.exchange.lineage import Attempt, Lineage, RoundContext
from strategies.exchange.screening import Rejected
from strategies.exchange.secure_step import Step, StepRequest, session_of
from strategies.exchange.traffic import SECURE_SUM, Traffic, measure_traffic
from strategies.exchange.wire import Malformed, RefusalError
from strategies.protection.secure_sum.rules import SecureSumRules, predict_messages
from strategies.protection.secure_sum.upload import WeightedMean, mask_upload, predict_masked_upload, unpack_words
from strategies.server.secure_round import SecureRound
from strategies.state import State

LINEAGE = Lineage("run", (Attempt("first"),))
SIZES = {"6x5/A": (3, 2, 5), "head/values": (9,)}
RULES = SecureSumRules(max_dropouts=2, max_number=16.0, max_weight=100)


@dataclass
class Federation:
    """Clients that keep their Context between messages; `tamper` changes what one answers, or raises."""

    count: int = 6
    rules: SecureSumRules = RULES
    silent: Mapping[Step, set[int]] = field(default_factory=dict)
    lineage: Lineage = LINEAGE
    t: int = 1

    def __post_init__(self):
        self.contexts = {p: Context(1, p, {}, RecordDict(), {}) for p in range(self.count)}
        self.used: set[bytes] = set()
        self.sent: dict[tuple[Step, int], bytes] = {}
        self.tamper: dict[tuple[Step, int], object] = {}

    def client(self, partition, step, data) -> SecureSumClient:
        request = StepRequest(step, data, RoundContext(self.lineage, self.t))
        return SecureSumClient(self.contexts[partition], self.rules, partition, request)

    def ask(self, step, data):
        for partition, own in data.items():
            if partition in self.silent.get(step, ()):
                yield partition, Rejected(partition, "no reply before the time-out")
                continue
            try:
                answer = self.client(partition, step, own).take_step()
            except RefusalError as error:
                yield partition, Rejected(partition, str(error))
                continue
            change = self.tamper.get((step, partition))
            self.sent[step, partition] = change(answer) if change else answer
            yield partition, self.sent[step, partition]

    def begin(self) -> SecureRound:
        return SecureRound(self.rules, session_of(self.lineage, self.t), self.ask, self.used)

    def upload(self, current: SecureRound, parcels) -> dict[int, Traffic]:
        traffic = {}
        for partition, parcel in parcels.items():
            if partition in self.silent.get("upload", ()):
                continue
            client = self.client(partition, "upload", parcel)
            opened = client.open()
            record = mask_upload(summand(partition, self.t), weight(partition), opened.point, opened.masks)
            client.uploaded(opened)
            words = unpack_words(record, SIZES)
            assert not isinstance(words, Malformed)
            current.add(partition, words)
            traffic[partition] = measure_traffic(record)
        return traffic

    def run(self) -> tuple[SecureRound, WeightedMean | None]:
        current = self.begin()
        self.upload(current, current.open(range(self.count)))
        return current, current.close(SIZES)


def summand(partition, t=1):
    rng = np.random.default_rng([partition, t])
    arrays = {key: rng.uniform(-16, 16, size).astype(np.float32) for key, size in SIZES.items()}
    return State.from_flat({key: torch.from_numpy(array) for key, array in arrays.items()})


def weight(partition):
    return 7 * partition + 1


def exact_mean(partitions, t=1):
    total = sum(weight(p) for p in partitions)
    return {
        key: sum(weight(p) * summand(p, t).flat[key].numpy().astype(np.float64) for p in partitions) / total
        for key in SIZES
    }


@pytest.mark.parametrize(
    "silent",
    [
        {},
        {"keys": {0, 5}},
        {"shares": {1, 2}},
        {"upload": {0, 3}},
        {"reveal": {2, 4}},
        {"keys": {5}, "upload": {0}},
        {"shares": {1}, "reveal": {3}},
    ],
    ids=str,
)
def test_the_mean_is_that_of_who_uploaded_and_the_messages_cost_what_was_predicted(silent):
    federation = Federation(silent=silent)
    current, mean = federation.run()
    gone = set().union(*(silent.get(step, set()) for step in ("keys", "shares", "upload")))
    there = [p for p in range(6) if p not in gone]
    assert mean is not None, current.reason
    assert mean.weight == sum(map(weight, there))
    for key, expected in exact_mean(there).items():
        np.testing.assert_allclose(mean.tensors.flat[key].numpy(), expected, rtol=0, atol=RULES.point(6).step)
    counts = [current.as_dict()[step] for step in ("keys", "shares", "uploads", "revealed")]
    assert counts[2] == len(there)
    assert (current.up, current.down) == predict_messages(*counts)
    assert {rejected.partition for rejected in current.rejected} == set().union(
        *(silent.get(step, set()) for step in ("keys", "shares", "reveal"))
    )


def test_an_upload_costs_a_word_for_each_number_and_the_weight():
    federation = Federation()
    current = federation.begin()
    traffic = federation.upload(current, current.open(range(6)))
    predicted = predict_masked_upload(SIZES)
    assert set(traffic.values()) == {predicted}
    assert (predicted.adapter_numbers, predicted.adapter_payload_bytes) == (30, 240)
    assert (predicted.head_numbers, predicted.head_payload_bytes) == (9, 72)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("keys", "3 clients sent keys, and a secure sum needs 4; privacy.max-dropouts = 2"),
        ("shares", "3 clients dealt shares, and a secure sum needs 4; privacy.max-dropouts = 2"),
        ("upload", "3 clients uploaded, and a secure sum needs 4; privacy.max-dropouts = 2"),
        ("reveal", "3 clients revealed shares, and a secure sum needs 4; privacy.max-dropouts = 2"),
    ],
)
def test_with_fewer_than_the_threshold_after_any_step_there_is_no_sum_and_the_reason_says_why(step, reason):
    current, mean = Federation(silent={step: {0, 1, 4}}).run()
    assert mean is None
    assert current.reason == reason


def test_too_few_clients_for_the_rules_are_not_even_asked():
    federation = Federation(count=3)
    current = federation.begin()
    assert current.open(range(3)) == {}
    assert "of 3 clients privacy.max-dropouts = 2 may drop out, which leaves 1" in current.reason
    assert not federation.sent


def test_a_client_that_was_started_anew_within_a_round_drops_out_and_the_sum_goes_on():
    federation = Federation()
    current = federation.begin()
    parcels = current.open(range(6))
    federation.contexts[2] = Context(1, 2, {}, RecordDict(), {})
    with pytest.raises(RefusalError, match="started anew"):
        federation.upload(current, {2: parcels.pop(2)})
    federation.upload(current, parcels)
    federation.contexts[4] = Context(1, 4, {}, RecordDict(), {})
    mean = current.close(SIZES)
    assert mean is not None
    assert mean.weight == sum(weight(p) for p in (0, 1, 3, 4, 5))
    assert [(r.partition, "started anew" in r.reason) for r in current.rejected] == [(4, True)]


def test_a_client_forgets_everything_of_a_round_but_which_it_was():
    federation = Federation()
    current = federation.begin()
    parcels = current.open(range(6))
    record = federation.contexts[0].state.config_records[SECURE_SUM]
    secrets = [record["encryption"], record["masking"], record["self-mask"]]
    federation.upload(current, parcels)
    left = dict(federation.contexts[0].state.config_records[SECURE_SUM])
    assert not any(secret in left.values() for secret in secrets)
    current.close(SIZES)
    left = dict(federation.contexts[0].state.config_records[SECURE_SUM])
    assert left == {"attempt": "run first", "summed": 1}


def test_keys_are_new_in_every_round():
    federation = Federation()
    for t in (1, 2, 3):
        federation.t = t
        _, mean = federation.run()
        assert mean is not None
    assert len(federation.used) == 3 * 6 * 2


@pytest.mark.parametrize("half", [slice(0, 32), slice(32, 64)], ids=["encryption", "masking"])
def test_a_client_that_sends_a_key_again_is_left_out(half):
    federation = Federation()
    federation.run()
    old, federation.t = federation.sent["keys", 3], 2
    federation.tamper["keys", 3] = lambda new: old[:32] + new[32:] if half.start == 0 else new[:32] + old[32:]
    current, mean = federation.run()
    assert mean is not None
    assert [(r.partition, r.reason) for r in current.rejected] == [
        (3, "secure sum, step keys: a public key that was used before in this run")
    ]


def test_a_client_that_sends_another_clients_keys_is_left_out():
    federation = Federation()
    federation.tamper["keys", 3] = lambda own: federation.sent["keys", 1]
    current, mean = federation.run()
    assert mean is not None
    assert [r.partition for r in current.rejected] == [3]


def test_each_step_is_answered_once_and_only_after_the_one_before():
    federation = Federation()
    current = federation.begin()
    with pytest.raises(RefusalError, match="out of order or twice"):
        federation.client(0, "shares", b"").take_step()
    parcels = current.open(range(6))
    with pytest.raises(RefusalError, match="out of order or twice"):
        federation.client(0, "shares", b"").take_step()
    federation.upload(current, parcels)
    with pytest.raises(RefusalError, match="out of order or twice"):
        federation.client(0, "upload", parcels[0]).open()
    survivors = np.arange(6, dtype="<u4").tobytes()
    federation.client(0, "reveal", survivors).take_step()
    with pytest.raises(RefusalError, match="out of order or twice"):
        federation.client(0, "reveal", survivors).take_step()


def test_a_round_is_summed_once_by_one_attempt_and_again_by_a_resumed_one():
    federation = Federation()
    federation.run()
    with pytest.raises(RefusalError, match="round 1 was summed already"):
        federation.client(0, "keys", b"").take_step()
    federation.lineage = Lineage("run", (Attempt("first"), Attempt("second", after=0)))
    _, mean = federation.run()
    assert mean is not None


def test_a_client_whose_masking_went_wrong_is_noticed_in_the_sum():
    federation = Federation()
    current = federation.begin()
    federation.upload(current, current.open(range(6)))
    current._total[3] ^= np.uint64(1 << 63)
    assert current.close(SIZES) is None
    assert "no sum of summands" in current.reason


def test_a_client_that_reveals_wrong_shares_costs_the_round_and_is_no_wrong_model():
    federation = Federation()
    federation.tamper["reveal", 1] = lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:]
    current, mean = federation.run()
    assert mean is None
    assert "cannot be unmasked: the shares of partition 1 rebuild" in current.reason
