"""A history is not worth a run: what can be read of it is used, the rest is put aside beside it, and it is said."""

import codecs
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from florg_app.reports.history import (
    HISTORY,
    parse_history,
    read_history,
    read_history_if_any,
    read_whole_history,
    rescue_history,
    write_history,
)
from florg_app.reports.history_file import HistoryFile
from florg_app.reports.json_text import json_document, json_line

SEPARATORS = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\x1dh\x1ei\rj\nk"
"""All that some program takes for the end of a line."""


def record(t: int, **more) -> dict:
    return {"round": t, "seconds": {"train": 1.5}, "rejected": [{"partition": 1, "reason": SEPARATORS}], **more}


def lines(*records: dict) -> bytes:
    return "".join(map(json_line, records)).encode()


def rounds(data: bytes) -> list[int]:
    return [record["round"] for record in parse_history(data).records]


def test_records_come_back_whatever_texts_are_in_them_and_whatever_program_splits_the_lines(tmp_path):
    written = [record(t, skipped="lone \ud800 surrogate") for t in range(3)]
    write_history(tmp_path / HISTORY, written)
    assert read_history(tmp_path) == written
    assert len((tmp_path / HISTORY).read_text().splitlines()) == 3


def test_texts_that_an_earlier_version_wrote_with_line_separators_are_read():
    raw = "".join(json.dumps(record(t), ensure_ascii=False) + "\n" for t in range(3)).encode()
    assert len(raw.decode().splitlines()) > 3
    parsed = parse_history(raw)
    assert parsed.records == [record(t) for t in range(3)]
    assert parsed.rest == []


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_last_line_that_a_kill_cut_off_is_left_out_without_a_word(cut):
    parsed = parse_history(lines(record(0), record(1), record(2))[:-cut])
    expected = [0, 1, 2] if cut == 1 else [0, 1]  # without its line end a record is whole
    assert [found["round"] for found in parsed.records] == expected
    assert (parsed.rest, parsed.mended) == ([], 0)


GARBAGE = {
    "no JSON": b"garbage\n",
    "half a record": lines(record(1))[:30] + b"\n",
    "a list": b"[1, 2]\n",
    "a number": b"5\n",
    "without a round": b'{"evaluation": {}}\n',
    "a negative round": b'{"round": -1}\n',
    "a round that is a text": b'{"round": "1"}\n',
    "a round that is true": b'{"round": true}\n',
    "a huge round": b'{"round": 1' + b"0" * 30 + b"}\n",
    "a number without end": b'{"round": 1' + b"0" * 6000 + b"}\n",
    "nesting without end": b"[" * 200_000 + b"\n",
    "scores that are none": b'{"round": 1, "evaluation": [1]}\n',
    "traffic of another kind": b'{"round": 1, "up": {"bytes": 1}}\n',
    "seconds of text": b'{"round": 1, "seconds": {"train": "long"}}\n',
    "clients of another kind": b'{"round": 1, "clients": 7}\n',
    "a score beyond all numbers": b'{"round": 1, "evaluation": {"loss": 1' + b"0" * 400 + b"}}\n",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_a_line_that_is_no_record_is_put_aside_and_costs_no_other(kind, tmp_path):
    (tmp_path / HISTORY).write_bytes(lines(record(0)) + GARBAGE[kind] + lines(record(2)))
    found, notes = rescue_history(tmp_path, tmp_path)
    assert found == [record(0), record(2)]
    (aside,) = tmp_path.glob("history-damaged-*")
    assert aside.read_bytes() == GARBAGE[kind]
    assert len(notes) == 1
    assert str(aside) in notes[0]
    with pytest.raises(ValueError, match=r"1 lines of .*history\.jsonl are damaged"):
        read_whole_history(tmp_path)


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
     (codecs.BOM_UTF32_LE, "utf-32-le"), (b"", "latin-1")],
)  # fmt: skip
def test_other_encodings_are_read_and_said(mark, encoding):
    text = "".join(json.dumps(record(t, skipped="Süd"), ensure_ascii=False) + "\n" for t in range(2))
    text = "".join(character for character in text if ord(character) < 256)
    parsed = parse_history(mark + text.encode(encoding))
    assert [found["skipped"] for found in parsed.records] == ["Süd", "Süd"]
    assert (parsed.rest, parsed.mended) == ([], 2)


def test_records_that_run_together_zeros_of_a_power_cut_and_empty_lines_are_mended():
    one, two, three = lines(record(0)), lines(record(1)), lines(record(2))
    assert rounds(one.rstrip() + two + b"\n\n" + b"\0" * 64 + three + b"\0" * 512) == [0, 1, 2]


def test_of_a_round_that_is_there_twice_the_newer_record_counts_and_the_older_is_kept_aside(tmp_path):
    old, new = record(1, skipped="old"), record(1, skipped="new")
    (tmp_path / HISTORY).write_bytes(lines(record(0), old, record(2), new))
    found, (said,) = rescue_history(tmp_path, tmp_path)
    assert found == [record(0), new, record(2)]
    assert (tmp_path / "history-damaged-1.jsonl").read_bytes() == lines(old)
    assert "older ones" in said


def test_what_is_put_aside_never_replaces_what_was_put_aside_before(tmp_path):
    for _ in range(3):
        (tmp_path / HISTORY).write_bytes(b"garbage\n")
        rescue_history(tmp_path, tmp_path)
    assert len(list(tmp_path.glob("history-damaged-*"))) == 3


def test_a_folder_in_the_place_of_a_history_is_put_aside(tmp_path):
    (tmp_path / HISTORY).mkdir()
    found, (said,) = rescue_history(tmp_path, tmp_path)
    assert found == []
    assert "cannot be read" in said
    assert (tmp_path / "history-damaged-1.jsonl").is_dir()


def test_no_history_at_all_is_an_empty_one_without_a_word(tmp_path):
    assert rescue_history(tmp_path, tmp_path) == ([], [])


@settings(max_examples=300)
@given(st.data())
def test_no_damage_to_its_bytes_is_an_error_or_costs_the_lines_before_it(data):
    whole = lines(*(record(t) for t in range(4)))
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, len(whole)))
    damaged = whole[:begin] + data.draw(st.binary(max_size=40)) + whole[end:]
    parsed = parse_history(damaged)
    intact = whole[:begin].count(b"\n")
    assert {found["round"] for found in parsed.records} >= set(range(intact))
    for found in parsed.records:
        assert json.loads(json_line(found)) == found


def test_a_history_that_somebody_removed_is_written_anew_with_the_next_round(tmp_path):
    file = HistoryFile(tmp_path / HISTORY, [record(0)])
    os.unlink(tmp_path / HISTORY)
    file.append(record(1))
    (tmp_path / HISTORY).write_bytes(b"")
    file.append(record(2))
    assert read_history(tmp_path) == [record(0), record(1), record(2)]


def test_a_document_is_json_also_with_names_that_are_no_text():
    value = {"path": os.fsdecode(b"/r\xe4ume"), "reason": SEPARATORS}
    assert json.loads(json_document(value)) == value


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_what_has_no_end_or_no_writer_in_the_place_of_a_history_is_put_aside(make, tmp_path):
    make(tmp_path / HISTORY)
    records, notes = rescue_history(tmp_path, tmp_path)
    assert records == []
    assert "It is no regular file" in notes[0]
    assert not (tmp_path / HISTORY).exists()
    assert read_history_if_any(tmp_path) == []
