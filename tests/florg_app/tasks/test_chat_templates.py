"""Chat templates: rows that they refuse are bad rows, and neither the day nor the time zone decides what they write."""

import json
import os
import time

import datasets
import pytest
from datasets import Dataset

from florg_app.config.parse import ConfigError, parse_settings
from florg_app.data.token_identity import token_fingerprint
from florg_app.tasks.instruct.clock import with_fixed_date
from florg_app.tasks.registry import make_task
from tests.support.instructions import byte_tokenizer, instruct_task

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
STRICT = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must take turns') }}{% endif %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
)
DATED = "Today is {{ strftime_now('%d %b %Y') }}.\n{% for m in messages %}{{ m.content }}{% endfor %}"
BAD = {
    "a system turn": [{"role": "system", "content": "Be kind."}, *TURNS],
    "two turns of the user": [TURNS[0], *TURNS],
}


def instruct(folder, rows, **keys):
    for split in ("train", "validation"):
        lines = [json.dumps({"messages": row}) + "\n" for row in rows]
        (folder / f"{split}.jsonl").write_text("".join(lines))
    return instruct_task(folder, "instruct", **keys)


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("case", BAD)
def test_a_row_that_the_template_refuses_is_named_or_left_out_and_counted(case, split, tmp_path):
    rows, tokenizer = [TURNS, BAD[case], TURNS], byte_tokenizer(chat_template=STRICT)
    task = instruct(tmp_path, rows)
    with pytest.raises(ConfigError) as caught:
        task.features(task.rows(split), tokenizer, 200)
    roles = ", ".join(turn["role"] for turn in BAD[case][:-1])
    assert f"{split}.jsonl: row 2: its conversation has turns of {roles}, for which the chat template" in str(
        caught.value
    )
    assert (
        'roles must take turns); change them, or use another model; correct it, or set task.bad-rows = "skip"'
        in str(caught.value)
    )
    skipping = instruct(tmp_path, rows, **{"task.bad-rows": "skip"})
    for _ in range(2):  # made twice, counted once
        assert [example["row"] for example in skipping.features(skipping.rows(split), tokenizer, 200)] == [0, 2]
    assert skipping.skipped == {(split, f"{split}.jsonl"): 1}


def test_the_server_learns_of_a_private_row_which_it_is_and_not_what_it_says(tmp_path):
    (tmp_path / "train.jsonl").write_text(json.dumps({"messages": BAD["a system turn"]}) + "\n")
    task = make_task(parse_settings({"task.name": "instruct"}), tmp_path)
    tokenizer = byte_tokenizer(chat_template="{{ raise_exception(messages[0].content) }}")
    with pytest.raises(ConfigError, match=r"train.jsonl: row 1: its conversation has turns of system, user") as caught:
        task.features(task.rows("train"), tokenizer, 200)
    assert "kind" not in str(caught.value)


def test_a_row_of_the_hub_that_the_template_refuses_is_named_or_left_out(monkeypatch):
    rows = {"instruction": ["a", "stop", "c"], "context": [""] * 3, "response": ["A", "B", "C"], "category": ["x"] * 3}
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: Dataset.from_dict(rows))
    template = "{% if messages[0].content == 'stop' %}{{ raise_exception('no') }}{% endif %}{{ messages[0].content }}"
    tokenizer = byte_tokenizer(chat_template=template)
    task = make_task(parse_settings({"task.name": "dolly"}))
    with pytest.raises(ConfigError, match=r'data set of the hub = "databricks/.*": train: row 2: its conversation'):
        _ = [task.features(task.rows(split), tokenizer, 100) for split in ("train", "validation")]
    task = make_task(parse_settings({"task.name": "dolly", "task.bad-rows": "skip", "task.validation-share": 0.01}))
    whole = datasets.concatenate_datasets([task.rows("train"), task.rows("validation")])
    assert len(task.features(whole, tokenizer, 100)) == 2
    assert task.skipped == {("train", "train"): 1}


@pytest.fixture
def elsewhere(monkeypatch):
    """Sets the time zone of this process."""

    def set_zone(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_zone
    os.environ.pop("TZ", None)
    monkeypatch.undo()
    time.tzset()


def prompt(task, tokenizer) -> str:
    example = task.features(task.rows("train"), tokenizer, 500)[0]
    return tokenizer.decode([t for t, label in zip(example["input_ids"], example["labels"], strict=True) if label < 0])


def test_a_template_that_asks_for_the_date_gets_that_of_the_settings_in_every_zone(elsewhere, tmp_path):
    tokenizer = byte_tokenizer(chat_template=DATED)
    for zone in ("Etc/GMT+12", "Etc/GMT-14"):
        elsewhere(zone)
        assert prompt(instruct(tmp_path, [TURNS]), tokenizer) == "Today is 26 Jul 2024.\nHi"
        other = instruct(tmp_path, [TURNS], **{"task.template-date": "2031-12-01"})
        assert prompt(other, tokenizer) == "Today is 01 Dec 2031.\nHi"


def rendered(template: str, day: str = "2024-07-06") -> str:
    return byte_tokenizer(chat_template=with_fixed_date(template, day)).apply_chat_template(TURNS, tokenize=False)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("%Y-%m-%d", "2024-07-06"),
        ("%-d %B %y, %A", "6 July 24, Saturday"),
        ("%e|%j|%H:%M:%S|%p", " 6|188|00:00:00|AM"),
        ("100%% on %d", "100% on 06"),
        ("%%d", "%d"),
        ("%s", "1720224000"),
        ("", ""),
    ],
)
def test_dates_are_formatted_as_strftime_does(asked, said, elsewhere):
    elsewhere("Etc/GMT-14")
    assert rendered(f"<{{{{ strftime_now('{asked}') }}}}>") == f"<{said}>"


def test_a_template_is_otherwise_what_it_was():
    template = "\n  {% if strftime_now is defined %}\n  a{{ strftime_now('%Y') }}\n{% endif %}\n\n b\n"
    plain = template.replace("strftime_now is defined", "true").replace("strftime_now('%Y')", "'2024'")
    assert rendered(template) == rendered(plain)
    assert with_fixed_date(plain, "2024-07-06") == plain


def test_server_and_clients_compare_tokens_template_and_date():
    def fingerprint(day: str = "2024-07-26", **options) -> str:
        settings = parse_settings({"task.name": "instruct", "task.template-date": day})
        return token_fingerprint(byte_tokenizer(**options), settings.task.template_date)

    dated = {"chat_template": DATED}
    prints = [fingerprint(), fingerprint(**dated), fingerprint("2024-07-27", **dated), fingerprint(eos_token="<s>")]
    assert len(set(prints)) == 4
    assert fingerprint() == fingerprint("2024-07-27"), "without a template no date is asked for"
    assert fingerprint(**dated) == fingerprint(**dated)


def test_a_date_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r'task.template-date = "today": expected a date such as 2024-07-26'):
        parse_settings({"task.name": "instruct", "task.template-date": "today"})
    with pytest.raises(ConfigError, match=r"task.template-date is read by dolly \| medquad \| instruct, but"):
        make_task(parse_settings({"task.template-date": "2025-01-01"}))
