"""What docs/secure-sums.md says in numbers is what the code does."""

import re

import pytest

from florg_app.config.protection import PrivacySettings
from florg_app.config.secure_sum import rules_of
from strategies.protection.secure_sum import messages
from strategies.protection.secure_sum.keys import KEY_BYTES
from tests.support.repository import REPOSITORY

TEXT = " ".join((REPOSITORY / "docs/secure-sums.md").read_text(encoding="utf-8").split())
PRIVACY = PrivacySettings(secure_sum=True)


@pytest.mark.parametrize("weighting", ["uniform", "examples"])
def test_the_table_of_fixed_points_is_that_of_the_defaults(weighting):
    rules = rules_of(PRIVACY, weighting)
    assert rules is not None
    point = rules.point(10)
    row = f"{point.fraction_bits} | {2.0 ** (23 - point.fraction_bits):.1e} | {point.step / 2:.1e} |"
    (found,) = re.findall(rf"\| {weighting} \| [^|]*\| (\d+ \| [^|]* \| [^|]* \|)", TEXT)
    assert found == row


def test_the_bytes_of_a_round_are_those_of_the_messages():
    for count in (3, 10):
        n = count
        dealt, parcel = messages.dealt_bytes(n), messages.parcel_bytes(n)
        assert messages.PUBLIC_BYTES == 64
        assert (dealt, parcel) == (KEY_BYTES + 132 * (n - 1), 136 * (n - 1))
        assert (messages.participants_bytes(n), messages.survivors_bytes(n)) == (8 + 68 * n, 4 * n)
        assert messages.revealed_bytes(n) == 52 * n
    for words in ("64 bytes of keys, 32 + 132 (n − 1) of shares and 52 n", "8 + 68 n of keys, 136 (n − 1) of shares"):
        assert words in TEXT
