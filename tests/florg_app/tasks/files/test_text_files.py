"""Text files as programs write them: byte order marks, UTF-16, packed files, and bytes that are no text."""

import bz2
import gzip
import json
import lzma

import pytest

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.tasks.registry import make_task
from tests.support.local_data import cells_of, local_task

ROWS = {"sentence": ["naïve café 😀", "b", "c"], "label": [0, 1, 1]}
CSV = "sentence,label\nnaïve café 😀,0\nb,1\nc,1\n"
TSV = CSV.replace(",", "\t")
JSONL = "".join(json.dumps({"sentence": s, "label": n}) + "\n" for s, n in zip(*ROWS.values(), strict=True))
JSON = json.dumps([json.loads(line) for line in JSONL.splitlines()])
TEXTS = {".csv": CSV, ".tsv": TSV, ".jsonl": JSONL, ".ndjson": JSONL, ".json": JSON}
PACK = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
SKIP = {"task.bad-rows": "skip"}


def complaint(folder, **keys) -> str:
    with pytest.raises(ConfigError) as caught:
        local_task(folder, "glue/sst2", **keys).rows("train")
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("suffix", TEXTS)
def test_a_text_is_read_by_its_byte_order_mark(suffix, encoding, tmp_path):
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    (tmp_path / f"train{suffix}").write_bytes((mark + TEXTS[suffix]).encode(encoding))
    assert cells_of(local_task(tmp_path, "glue/sst2").rows("train")) == ROWS


@pytest.mark.parametrize("suffix", TEXTS)
@pytest.mark.parametrize("ending", PACK)
def test_a_packed_text_is_read_as_it_is(ending, suffix, tmp_path):
    (tmp_path / f"train{suffix}{ending}").write_bytes(PACK[ending](TEXTS[suffix].encode()))
    (tmp_path / f"validation{suffix.upper()}").write_text(TEXTS[suffix], encoding="utf-8")
    task = local_task(tmp_path, "glue/sst2")
    assert cells_of(task.rows("train")) == cells_of(task.rows("validation")) == ROWS


@pytest.mark.parametrize("cut", [1, 20, -9])
@pytest.mark.parametrize("ending", PACK)
def test_a_packed_file_that_is_cut_or_none_is_named(ending, cut, tmp_path):
    packed = PACK[ending](CSV.encode() * 50)
    (tmp_path / f"train.csv{ending}").write_bytes(packed[:cut])
    assert f"train.csv{ending}: cannot be unpacked" in complaint(tmp_path)
    (tmp_path / f"train.csv{ending}").write_bytes(CSV.encode())
    assert f"train.csv{ending}: cannot be unpacked (" in complaint(tmp_path)


@pytest.mark.parametrize(("ending", "name"), [(".gz", "gzip"), (".bz2", "bzip2"), (".xz", "xz")])
def test_a_packed_file_of_another_name_is_answered_with_the_right_one(ending, name, tmp_path):
    (tmp_path / "train.csv").write_bytes(PACK[ending](CSV.encode()))
    said = f"train.csv: is {name}-compressed, whatever its ending says; rename it train.csv{ending}, or"
    assert said in complaint(tmp_path)


@pytest.mark.parametrize("suffix", [*TEXTS, ".parquet"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n", "is a pointer of Git LFS, not the"),
        (b"\n<!DOCTYPE html><html><title>404</title></html>", "is a web page; was a download answered with an error"),
        (b"PK\x03\x04rest", "is a zip archive or a spreadsheet, whatever its ending says; rename or convert it"),
    ],
)
def test_what_stands_in_the_place_of_a_file_is_named_with_what_to_do(content, said, suffix, tmp_path):
    (tmp_path / f"train{suffix}").write_bytes(content)
    assert f"train{suffix}: {said}" in complaint(tmp_path)


@pytest.mark.parametrize("suffix", TEXTS)
@pytest.mark.parametrize("content", [b" \r\n\n", b"\xef\xbb\xbf"])
def test_a_file_without_any_text_is_called_empty(content, suffix, tmp_path):
    (tmp_path / f"train{suffix}").write_bytes(content)
    assert f"train{suffix}: is empty: it has no text" in complaint(tmp_path)


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("suffix", TEXTS)
def test_lines_end_as_any_system_ends_them_and_blank_ones_are_none(suffix, line_break, tmp_path):
    text = f"\n  \n{TEXTS[suffix]}\n   \n\n" if suffix != ".tsv" else TEXTS[suffix]
    (tmp_path / f"train{suffix}").write_bytes(text.replace("\n", line_break).encode())
    assert cells_of(local_task(tmp_path, "glue/sst2").rows("train")) == ROWS


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_named_as_such(encoding, tmp_path):
    (tmp_path / "train.csv").write_bytes(CSV.encode(encoding))
    assert "train.csv: seems to be UTF-16 without a byte order mark; save it as UTF-8" in complaint(tmp_path)


def test_utf_16_that_is_cut_within_a_character_is_named(tmp_path):
    (tmp_path / "train.csv").write_bytes(CSV.encode("utf-16")[:-1])
    assert "train.csv: begins as UTF-16, but is broken at byte" in complaint(tmp_path)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_a_byte_that_is_no_text_costs_its_row_alone(suffix, tmp_path):
    cell = {".csv": "b,1", ".tsv": "b\t1", ".jsonl": '"b"'}[suffix]
    broken = TEXTS[suffix].encode().replace(cell.encode(), cell.encode().replace(b"b", b"caf\xe9"))
    (tmp_path / f"train{suffix}").write_bytes(broken)
    message = complaint(tmp_path)
    assert "train" + suffix + ": row 2: " in message
    assert "holds the byte 0xe9: it is not UTF-8 text; save the file as UTF-8" in message
    task = local_task(tmp_path, "glue/sst2", **SKIP)
    assert task.rows("train")["sentence"][:] == [ROWS["sentence"][0], "c"]
    assert task.skipped == {("train", f"train{suffix}"): 1}


def test_a_byte_that_is_no_text_in_a_column_that_is_not_read_costs_nothing(tmp_path):
    (tmp_path / "train.csv").write_bytes(b"sentence,label,note\na,1,caf\xe9\n")
    assert cells_of(local_task(tmp_path, "glue/sst2").rows("train")) == {"sentence": ["a"], "label": [1]}


@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00", "\\udce9"])
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_half_an_emoji_costs_its_row_alone(suffix, half, tmp_path):
    text = JSONL if suffix == ".jsonl" else JSON
    (tmp_path / f"train{suffix}").write_text(text.replace('"b"', f'"b{half}"'))
    message = complaint(tmp_path)
    assert "row 2: sentence = 'b\\ud" in message
    assert "holds half of a surrogate pair (half an emoji), which is no character; remove it; correct it, or" in message
    assert local_task(tmp_path, "glue/sst2", **SKIP).rows("train")["sentence"][:] == [ROWS["sentence"][0], "c"]


def test_half_an_emoji_in_a_class_name_or_an_owner_costs_its_row_alone(tmp_path):
    rows = [
        {"text": t, "label": n, "site": s}
        for t, n, s in (("a", "x", "p"), ("b", "y\ud83d", "p"), ("c", "z", "q\udc00"))
    ]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0], rows[0]]))
    keys = {"task.name": "text", "task.path": str(tmp_path), "task.labels": "x,z", "partition.column": "site"}
    with pytest.raises(ConfigError, match=r"row 2: label = .*half of a surrogate pair"):
        make_task(parse_settings(keys)).rows("train")
    assert make_task(parse_settings({**keys, **SKIP})).rows("train")["text"][:] == ["a", "a", "a"]


@pytest.mark.parametrize("name", ["", " ", "\ufeff", "\u200b"])
def test_names_of_columns_are_read_without_what_pads_them(name, tmp_path):
    (tmp_path / "train.csv").write_text(f"{name}sentence{name},label{name}\na,1\n", encoding="utf-8")
    (tmp_path / "validation.jsonl").write_text(json.dumps({f"{name}sentence": "a", f"label{name}": 1}) + "\n")
    task = local_task(tmp_path, "glue/sst2")
    assert cells_of(task.rows("train")) == cells_of(task.rows("validation")) == {"sentence": ["a"], "label": [1]}
