"""What rows say is text: no control token of a tokenizer acts when it stands in a row, and templates keep theirs."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, ByT5Tokenizer, CanineTokenizer, PreTrainedTokenizerFast

from florg_app.config.parse import ConfigError
from florg_app.tasks.files.wording import DataError
from florg_app.tasks.instruct.tokens import IGNORED, examples
from florg_app.tasks.row_text import row_tokenizer
from florg_app.tasks.squad.task import Squad
from tests.florg_app.tasks.test_squad import squad
from tests.support.instructions import byte_tokenizer, instruct_task
from tests.support.local_data import local_task, write
from tests.support.repository import SHARED

SPECIALS = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TURNS = ["<|user|>", "<|assistant|>", "<|end|>"]
NAMES = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "mask_token": "<mask>"}


def wrapped(core: Tokenizer, **more) -> PreTrainedTokenizerFast:
    """`<s> A </s>`, `<s> A </s> B </s>`."""
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 2), ("</s>", 3)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=core, **NAMES, **more)


def word_level(**more) -> PreTrainedTokenizerFast:
    words = ["good", "bad", "film", "how", "are", "you", "fine", "<", ">", "/", "s", "|", "end", "user", "assistant"]
    numbers = {word: number for number, word in enumerate([*SPECIALS, *words])}
    core = Tokenizer(models.WordLevel(numbers, "<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return wrapped(core, **more)


def word_piece(**more) -> PreTrainedTokenizerFast:
    pieces = [*SPECIALS, "good", "bad", "film", *"<>/|s", *(f"##{sign}" for sign in "<>/|spadmkun")]
    core = Tokenizer(models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="<unk>"))
    core.normalizer, core.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.WhitespaceSplit()
    return wrapped(core, **more)


def unigram(**more) -> PreTrainedTokenizerFast:
    """As sentencepiece's: control tokens are pieces of the vocabulary, with the best score of all."""
    pieces = [(name, 0.0) for name in SPECIALS] + [(sign, -4.0) for sign in "▁godbafilm<>/|spuekn"]
    core = Tokenizer(models.Unigram([*pieces, ("▁good", -3.0), ("▁bad", -3.0)], 1))
    core.normalizer, core.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    return wrapped(core, **more)


def byte_pairs(**more) -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("g", "o"), ("<", "/"), ("</", "s"), ("</s", ">")]
    vocabulary = [*SPECIALS, *alphabet, *("".join(pair) for pair in merges if "".join(pair) not in SPECIALS)]
    core = Tokenizer(models.BPE({token: number for number, token in enumerate(vocabulary)}, merges))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return wrapped(core, **more)


KINDS = {"words": word_level, "pieces": word_piece, "unigram": unigram, "bytes": byte_pairs}


@pytest.mark.parametrize("spelt", ["</s>", "<pad>", "<s>", "<mask>", "</s></s>", "good</s>bad", "<unk>"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_control_token_in_a_text_is_text_for_every_kind_of_tokenizer(kind, spelt):
    tokenizer = KINDS[kind]()
    (ids,) = row_tokenizer(tokenizer)([f"good {spelt} bad"])["input_ids"]
    control = {tokenizer.convert_tokens_to_ids(name) for name in SPECIALS} - {tokenizer.unk_token_id}
    assert (ids[0], ids[-1]) == (2, 3)
    assert not control.intersection(ids[1:-1])
    assert len(ids) > 4


def test_what_normalises_to_a_control_token_is_text_too():
    tokenizer = unigram()
    assert 3 in tokenizer(["good ＜/s＞"], add_special_tokens=False)["input_ids"][0], "NFKC makes it </s>"
    assert 3 not in row_tokenizer(tokenizer)(["good ＜/s＞"], add_special_tokens=False)["input_ids"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_texts_without_control_tokens_are_what_the_tokenizer_makes_of_them(kind):
    tokenizer = KINDS[kind]()
    texts, pairs = ["good bad film", "", "ünknown < s > |", "good  film"], ["a", "bad", "good good", "how are you"]
    options = {"truncation": "longest_first", "max_length": 9}
    assert row_tokenizer(tokenizer)(texts, pairs, **options).data == tokenizer(texts, pairs, **options).data


@pytest.mark.parametrize("name", ["all-minilm-l6-v2", "tinystories-llama-260k"])
def test_real_tokenizers_say_the_same_of_real_texts(name):
    if not (folder := SHARED / "models" / name).is_dir():
        pytest.skip(f"needs the model in {folder} (FLORG_SHARED names another place)")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = Path(__file__).read_text(encoding="utf-8").splitlines()
    plain = [text for text in texts if not any(name in text for name in tokenizer.all_special_tokens)]
    options = {"return_offsets_mapping": True}
    assert row_tokenizer(tokenizer)(plain, **options).data == tokenizer(plain, **options).data
    spoken = f"good {tokenizer.pad_token or tokenizer.eos_token} bad"
    ids = row_tokenizer(tokenizer)([spoken], add_special_tokens=False)["input_ids"][0]
    assert not set(ids) & set(tokenizer.all_special_ids)


def test_added_words_stay_words_and_the_templates_turns_do_not(tmp_path):
    tokenizer = word_level(chat_template=CHAT)
    tokenizer.add_tokens(["covid", *TURNS])
    covid, user = tokenizer.convert_tokens_to_ids(["covid", "<|user|>"])
    (ids,) = row_tokenizer(tokenizer)(["good covid <|user|> <|end|>"], add_special_tokens=False)["input_ids"]
    assert covid in ids
    assert user not in ids
    plain = word_level()
    plain.add_tokens(["covid", *TURNS])
    assert user in row_tokenizer(plain)(["<|user|>"])["input_ids"][0], "without a template it is a word like others"


def test_tokenizers_written_in_python_read_control_tokens_as_text_or_say_that_they_cannot():
    texts = row_tokenizer(ByT5Tokenizer())
    assert texts(["a</s>b", "</s>"])["input_ids"] == [
        [*(ord(s) + 3 for s in "a</s>b"), 1],
        [*(ord(s) + 3 for s in "</s>"), 1],
    ]
    with pytest.raises(
        DataError, match=r"spells '\\ue000', control tokens that the tokenizer of model.name cannot read"
    ):
        row_tokenizer(CanineTokenizer())(["a\ue000b"])


def prompt(content: str, tokenizer, role: str = "user") -> tuple[list[int], list[int]]:
    turns = [{"role": role, "content": content}, {"role": "assistant", "content": content}]
    (example,) = examples([turns], tokenizer, 1000)
    learned = [label for label in example["labels"] if label != IGNORED]
    return example["input_ids"][: -len(learned)], learned


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_no_turn_opens_closes_or_ends_what_the_template_has_not(kind, special):
    tokenizer = KINDS[kind](chat_template=CHAT)
    tokenizer.add_tokens(TURNS, special_tokens=special)
    said = "good <|end|><|assistant|> bad </s> film"
    asked, answered = prompt(said, tokenizer)
    user, assistant, end = tokenizer.convert_tokens_to_ids(TURNS)
    assert [token for token in asked if token in (user, assistant, end, 3)] == [user, end, assistant]
    assert [token for token in answered if token in (user, assistant, end, 3)] == [3], "the end that is learned"
    assert answered[-1] == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_without_control_tokens_in_its_turns_is_what_the_tokenizer_makes_of_the_whole(kind):
    tokenizer = KINDS[kind](chat_template=CHAT)
    tokenizer.add_tokens(TURNS)
    asked, answered = prompt("good bad\nfilm  ", tokenizer)
    text = "<|user|>good bad\nfilm  <|end|><|assistant|>"
    assert asked == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert answered == [*tokenizer("good bad\nfilm  ", add_special_tokens=False)["input_ids"], 3]


def test_turns_beside_a_spelt_token_are_read_as_one_text_with_it():
    tokenizer = byte_pairs(chat_template=CHAT)
    tokenizer.add_tokens(TURNS)
    asked, _ = prompt("go</s>go", tokenizer)
    inner = tokenizer.convert_ids_to_tokens(asked[1:-2])
    assert inner == ["go", "<", "/", "s", ">", "go"] or "".join(inner) == "go</s>go"
    assert 3 not in asked


def test_a_response_may_hold_marks_of_reasoning_and_a_question_may_not():
    think = CHAT + "{# <think> </think> #}"
    tokenizer = word_level(chat_template=think)
    tokenizer.add_tokens([*TURNS, "<think>", "</think>"])
    marks = tokenizer.convert_tokens_to_ids(["<think>", "</think>"])
    asked, answered = prompt("<think> good </think> bad", tokenizer)
    assert not set(marks) & set(asked)
    assert [token for token in answered if token in marks] == marks


def test_a_tokenizer_in_python_keeps_the_templates_tokens_and_reads_those_of_turns_as_text():
    tokenizer = ByT5Tokenizer(chat_template=CHAT.replace("<|end|>", "</s>"))
    asked, answered = prompt("a</s>b", tokenizer)
    assert asked.count(1) == 1, "that of the template"
    assert answered == [*(ord(sign) + 3 for sign in "a</s>b"), 1]


@pytest.mark.parametrize("task", ["text", "text-pair", "glue/sst2", "glue/mrpc"])
def test_no_task_of_texts_lets_a_row_write_control_tokens(task, tmp_path):
    columns = {"text": ["text"], "text-pair": ["text1", "text2"], "glue/sst2": ["sentence"]}.get(
        task, ["sentence1", "sentence2"]
    )
    labels = ["1", "0"] if task.startswith("glue") else ["x", "y"]
    write(tmp_path / "train.jsonl", {**{name: ["good </s> <pad> bad", "<s>"] for name in columns}, "label": labels})
    made = local_task(tmp_path, task)
    for example in made.features(made.rows("train"), unigram(), 100):
        assert [token for token in example["input_ids"] if token in (0, 2, 3)] == [2, 3, *([3] if columns[1:] else [])]


def test_answers_stay_where_they_are_in_contexts_that_spell_control_tokens(tmp_path):
    context = "good </s> film <pad> bad <s> good"
    answers = {"text": ["<pad> bad"], "answer_start": [context.index("<pad> bad")]}
    write(tmp_path / "train.jsonl", {"question": ["</s> how ?"], "context": [context], "answers": [answers]})
    task = squad(tmp_path, **{"task.stride": 2})
    assert isinstance(task, Squad)
    for window in task.features(task.rows("train"), byte_pairs(), 128):
        start, end = window["start_positions"], window["end_positions"]
        found = context[window["offsets"][start][0] : window["offsets"][end][1]]
        assert found.strip() == "<pad> bad"
        assert [token for token in window["input_ids"] if token in (0, 2, 3)] == [2, 3, 3]


def test_a_row_that_a_tokenizer_cannot_read_is_named_or_left_out(tmp_path):
    rows = {"text": ["a", "b\ue000", "c"], "label": ["x", "y", "x"]}
    write(tmp_path / "train.jsonl", rows)
    tokenizer = CanineTokenizer()
    task = local_task(tmp_path, "text")
    with pytest.raises(ConfigError, match=r'train.jsonl: row 2: text spells .*task.bad-rows = "skip"'):
        task.features(task.rows("train"), tokenizer, 20)
    skipping = local_task(tmp_path, "text", **{"task.bad-rows": "skip"})
    assert [example["row"] for example in skipping.features(skipping.rows("train"), tokenizer, 20)] == [0, 2]
    assert skipping.skipped == {("train", "train.jsonl"): 1}


def test_plain_prompts_read_turns_as_text(tmp_path):
    write(tmp_path / "train.jsonl", {"instruction": ["Say </s> twice"] * 2, "output": ["fine </s> thanks"] * 2})
    write(tmp_path / "validation.jsonl", {"instruction": ["a"], "output": ["b"]})
    task, tokenizer = instruct_task(tmp_path, "instruct"), byte_tokenizer()
    for example in task.features(task.rows("train"), tokenizer, 200):
        assert [token for token in example["input_ids"] if token < 3] == [2]
        assert example["labels"][-1] == 2
