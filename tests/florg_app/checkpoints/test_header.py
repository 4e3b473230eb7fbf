"""A checkpoint's header is one typed record: whatever else it says is refused, by field, with the reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from florg_app.checkpoints.header import CheckpointHeader, parse_header

GOOD = {
    "florg.format": "florg-checkpoint/2",
    "round": "5",
    "run": "r",
    "attempts": json.dumps([{"name": "a", "after": 0, "source": ""}, {"name": "b", "after": 3, "source": "/x"}]),
    "settings": json.dumps({"seed": 1, "evaluate.on-clients": True, "adapter.alpha": 16.0, "task.name": "tiny"}),
    "identity": json.dumps({"source": "s"}),
    "bookkeeping": json.dumps({"skipped-in-a-row": 1, "ranks": {"1": 2}, "asked": {"0": 3}}),
    "seconds": "12.5",
    "layers": "{}",
}
DEEP = "[" * 100_000

WRONG = {
    "round": ["-5", "", "x", "1e3", "nan", "9" * 5000, "5 6"],
    "run": [""],
    "attempts": [
        "[]",
        "{}",
        "null",
        DEEP,
        '[{"name": 1}]',
        '[{"name": "a", "after": -1}]',
        '[{"name": "a", "after": 1}]',
        '[{"name": "a"}, {"name": "b", "after": 9}]',
        "[1]",
    ],
    "settings": ["[]", DEEP, '{"a": [1]}', '{"a": null}', '{"a": {}}', '{"seed": 1' + "0" * 5000 + "}", "{"],
    "identity": ["[]", '{"source": 1}', DEEP, '"s"'],
    "bookkeeping": [
        "[]",
        DEEP,
        '{"ranks": {"1": -2}}',
        '{"ranks": {"1": 0}}',
        '{"ranks": {"one": 1}}',
        '{"ranks": [1]}',
        '{"skipped-in-a-row": -1}',
        '{"skipped-in-a-row": true}',
        '{"asked": {"0": 1.5}}',
    ],
    "seconds": ["-1", "nan", "inf", "soon"],
}


def test_a_good_header_is_read_with_its_types():
    header = parse_header(GOOD)
    assert (header.round, header.seconds, header.sealed) == (5, 12.5, True)
    assert [attempt.after for attempt in header.attempts] == [0, 3]
    assert header.settings == json.loads(GOOD["settings"])
    assert header.bookkeeping.model_dump(by_alias=True) == json.loads(GOOD["bookkeeping"])


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_by_its_field_in_a_short_reason(field, value):
    with pytest.raises(ValueError, match=rf"^its {field}") as refusal:
        parse_header({**GOOD, field: value})
    assert len(str(refusal.value)) < 500


def test_fields_that_are_missing_are_all_named():
    with pytest.raises(ValueError, match=r"does not say its run, attempts, settings, identity, bookkeeping, seconds"):
        parse_header({"florg.format": "florg-checkpoint/2", "round": "1"})


@given(st.sampled_from([*GOOD][1:8]), st.text(max_size=30) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
).map(json.dumps))  # fmt: skip
def test_no_value_of_a_field_is_another_kind_of_error(field, value):
    try:
        found = parse_header({**GOOD, field: value})
    except ValueError as refusal:
        found = str(refusal)
    assert isinstance(found, CheckpointHeader) or found.startswith("its ")
