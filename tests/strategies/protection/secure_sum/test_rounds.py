"""The four steps together: the sum to the bit whoever leaves when, uploads that say nothing, and what is refused."""

import numpy as np
import pytest
from scipy.stats import chi2

from strategies.exchange.wire import RefusalError
from strategies.protection.secure_sum.client_steps import deal_shares, open_parcel, reveal_shares
from strategies.protection.secure_sum.fixed_point import FixedPoint
from strategies.protection.secure_sum.keys import make_round_keys
from strategies.protection.secure_sum.masks import _BLOCK
from strategies.protection.secure_sum.messages import Participants, pack_survivors
from strategies.protection.secure_sum.server_steps import UnmaskError, sort_parcels
from tests.support.secure_sums import SecureRound, seeded_entropy

FALSE_ALARM = 1e-9
"""Probability with which truly uniform bytes would fail; the seeds are fixed, so that the outcome is too."""


def looks_uniform(data: bytes) -> bool:
    """Chi-square over byte values, and over each of the 64 bits of the words."""
    values = np.frombuffer(data, np.uint8)
    counts = np.bincount(values, minlength=256)
    expected = values.size / 256
    bits = np.unpackbits(values.reshape(-1, 8), axis=1).sum(0)
    of_bytes = float(((counts - expected) ** 2 / expected).sum())
    of_bits = float(((bits - values.size / 16) ** 2 / (values.size / 32)).sum())
    return of_bytes < chi2.isf(FALSE_ALARM, 255) and of_bits < chi2.isf(FALSE_ALARM, 64)


@pytest.mark.parametrize(
    "gone",
    [
        {},
        {"keys": {3, 17}},
        {"shares": {3, 31}},
        {"upload": {10, 38}},
        {"reveal": {3, 24}},
        {"keys": {3}, "shares": {31}},
        {"shares": {3}, "upload": {38}},
        {"upload": {3}, "reveal": {38}},
    ],
    ids=str,
)
def test_the_sum_is_that_of_the_words_to_the_bit_when_up_to_max_dropouts_leave_before_any_step(gone):
    secure = SecureRound(count=6, max_dropouts=2, gone=gone)
    total = secure.run()
    assert np.array_equal(total, secure.plain_sum)
    assert len(secure.masked) == 6 - sum(len(left) for step, left in gone.items() if step != "reveal")


def test_the_sum_is_right_for_vectors_of_several_blocks():
    secure = SecureRound(count=3, max_dropouts=1, size=2 * _BLOCK + 5, gone={"upload": {10}})
    secure.advertise(), secure.deal(), secure.upload(), secure.reveal()
    assert np.array_equal(secure.total(), secure.vectors[3] + secure.vectors[17])


def test_the_sum_does_not_depend_on_the_randomness_of_the_masks():
    totals = [SecureRound(count=4, max_dropouts=1, seed=seed, gone={"upload": {17}}) for seed in (1, 2)]
    results = [secure.run() for secure in totals]
    assert not np.array_equal(totals[0].masked[3], totals[1].masked[3])
    assert np.array_equal(*results)


def test_one_upload_alone_is_uniform_noise_whatever_it_holds():
    secure = SecureRound(count=3, max_dropouts=1, size=1 << 16)
    point = FixedPoint(3, 256.0)
    secure.vectors = {p: point.encode(np.full(1 << 16, 0.001 * p, np.float32), 1) for p in secure.everybody}
    secure.run()
    assert all(looks_uniform(masked.tobytes()) for masked in secure.masked.values())
    # The test sees what a mask hides, and the sum is no noise.
    assert not looks_uniform(secure.vectors[3].tobytes())
    assert not looks_uniform(secure.total().tobytes())


def test_a_sum_of_fewer_than_all_uploads_is_uniform_noise_before_the_shares_are_revealed():
    secure = SecureRound(count=4, max_dropouts=1, size=1 << 16)
    secure.vectors = {p: np.zeros_like(vector) for p, vector in secure.vectors.items()}
    secure.advertise(), secure.deal(), secure.upload()
    everything = sum(secure.masked.values(), np.zeros(1 << 16, np.uint64))
    assert looks_uniform((secure.masked[3] + secure.masked[10]).tobytes())
    assert looks_uniform(everything.tobytes())  # the own masks do not cancel


@pytest.mark.parametrize("count", range(2, 10))
def test_a_client_deals_only_where_no_two_sets_of_others_could_reveal_both_its_secrets(count):
    """Each other client reveals one of the two, so that a threshold above half of the clients leaves no two sets."""
    public = {p: make_round_keys(seeded_entropy(p)).public for p in range(count)}
    for max_dropouts in range(count):
        threshold = count - max_dropouts
        data = Participants(threshold, public).to_bytes()
        if threshold >= 2 and 2 * threshold > count:
            deal_shares(make_round_keys(seeded_entropy(0)), 0, data, "session", max_dropouts)
        else:
            with pytest.raises(RefusalError, match=f"a threshold of {threshold} among {count}"):
                deal_shares(make_round_keys(seeded_entropy(0)), 0, data, "session", max_dropouts)


def test_a_client_deals_for_no_lower_threshold_than_its_own_settings_say():
    secure = SecureRound(count=7, max_dropouts=3)
    secure.advertise()
    with pytest.raises(RefusalError, match=r"max-dropouts = 5"):
        deal_shares(secure.keys[3], 3, secure.participants.to_bytes(), secure.session, 2)


@pytest.mark.parametrize("place", [0, 11, 12, 60, 64, 115, 116, 131])
def test_a_share_that_was_changed_on_its_way_is_refused_by_name(place):
    secure = SecureRound(count=4, max_dropouts=1)
    secure.advertise(), secure.deal()
    sealed = bytearray(secure.sealed[10][3])
    sealed[place] ^= 1
    secure.sealed[10][3] = bytes(sealed)
    with pytest.raises(RefusalError, match="shares of partition 10 do not open"):
        open_parcel(secure.dealt[3], 3, secure.session, sort_parcels(secure.sealed)[3])


def test_a_share_dealt_to_another_client_is_refused():
    secure = SecureRound(count=4, max_dropouts=1)
    secure.advertise(), secure.deal()
    secure.sealed[10][3] = secure.sealed[10][17]
    with pytest.raises(RefusalError, match="do not open"):
        secure.upload()


def test_shares_of_another_round_are_refused():
    old, new = (SecureRound(count=4, max_dropouts=1, session=session) for session in ("run first 1", "run first 2"))
    for secure in (old, new):
        secure.advertise(), secure.deal()
    # The same seed: keys and mask are those of the older round, which only the session tells apart.
    assert old.keys == new.keys
    new.sealed[10] = old.sealed[10]
    with pytest.raises(RefusalError, match="do not open"):
        new.upload()


def test_a_client_refuses_its_own_keys_of_an_earlier_round():
    old, new = SecureRound(count=4, max_dropouts=1), SecureRound(count=4, max_dropouts=1, seed=2)
    old.advertise(), new.advertise()
    replayed = {**new.participants.public, 3: old.participants.public[3]}
    with pytest.raises(RefusalError, match="its own keys"):
        deal_shares(new.keys[3], 3, Participants(3, replayed).to_bytes(), new.session, 1)


@pytest.mark.parametrize("half", [slice(0, 32), slice(32, 64)], ids=["encryption", "masking"])
def test_another_clients_keys_of_an_earlier_round_are_refused_since_its_shares_do_not_open(half):
    old, new = SecureRound(count=4, max_dropouts=1), SecureRound(count=4, max_dropouts=1, seed=2)
    old.advertise(), new.advertise()
    honest = new.participants
    public = bytearray(honest.public[10])
    public[half] = old.participants.public[10][half]
    new.participants = Participants(3, {**honest.public, 10: bytes(public)})
    # Client 10 is told the truth, since it would not accept a list with other keys of its own; the others are not.
    data = {p: (honest if p == 10 else new.participants).to_bytes() for p in new.everybody}
    for p in new.everybody:
        new.dealt[p], sent = deal_shares(new.keys[p], p, data[p], new.session, 1)
        new.sealed[p] = dict(zip(honest.others(p), [sent[32:][i : i + 132] for i in range(0, 396, 132)], strict=True))
    for p in new.everybody:
        refused = "partition 3" if p == 10 else "partition 10"
        with pytest.raises(RefusalError, match=f"{refused} do not open"):
            open_parcel(new.dealt[p], p, new.session, sort_parcels(new.sealed)[p])


def test_one_key_in_two_places_and_keys_that_agree_on_nothing_are_refused():
    secure = SecureRound(count=4, max_dropouts=1)
    secure.advertise()
    twice = Participants(3, {**secure.participants.public, 10: secure.participants.public[17]})
    zero = Participants(3, {**secure.participants.public, 10: bytes(32) + secure.participants.masking_key(10)})
    for participants, reason in ((twice, "twice"), (zero, r"\[10\]")):
        with pytest.raises(RefusalError, match=reason):
            deal_shares(secure.keys[3], 3, participants.to_bytes(), secure.session, 1)


def test_a_client_unmasks_no_sum_without_it_nor_of_fewer_than_the_threshold_nor_of_strangers():
    secure = SecureRound(count=4, max_dropouts=1)
    secure.run()
    for survivors, reason in (
        ([10, 17, 24], "lacks its own"),
        ([3, 10], "of 2 clients, below 3"),
        ([3, 10, 17, 99], r"\[99\]"),
    ):
        with pytest.raises(RefusalError, match=reason):
            reveal_shares(secure.held[3], 3, pack_survivors(survivors))


def test_a_parcel_of_fewer_than_the_threshold_is_refused():
    secure = SecureRound(count=4, max_dropouts=1)
    secure.advertise(), secure.deal()
    parcel = sort_parcels({p: secure.sealed[p] for p in (3, 10)})[3]
    with pytest.raises(RefusalError, match="below 3"):
        open_parcel(secure.dealt[3], 3, secure.session, parcel)


@pytest.mark.parametrize("gone", [{}, {"upload": {10}}], ids=str)
def test_shares_that_rebuild_another_secret_are_found_out_and_the_total_is_left_alone(gone):
    secure = SecureRound(count=4, max_dropouts=1, gone=gone)
    secure.run()
    wrong = bytearray(secure.revealed[3][10])
    wrong[10] ^= 1
    secure.revealed[3][10] = bytes(wrong)
    with pytest.raises(UnmaskError, match="partition 10"):
        secure.total()


def test_keys_are_fresh_each_round():
    made = [make_round_keys() for _ in range(20)]
    parts = {part for keys in made for part in (keys.encryption, keys.masking)}
    assert len(parts) == 40
