"""Instructions: responses alone are learned and scored, whatever the family, the template and the length."""

import math

import pytest
import torch
from torch.nn import functional

from clients.train_settings import TrainOptions
from clients.trainer import local_train
from florg_app.config.parse import ConfigError, parse_settings
from florg_app.tasks.instruct.task import Answered
from florg_app.tasks.instruct.tokens import IGNORED
from florg_app.tasks.registry import make_task
from strategies.methods.fedit import FedIT
from strategies.methods.florg import FLoRG
from tests.support.instructions import CHAT_TEMPLATE, DOLLY, byte_tokenizer, dolly, language_model
from tests.support.tiny_models import tiny_adapted

TOKENIZER = byte_tokenizer()
FAMILIES = ("llama", "gpt2", "opt")
CPU = torch.device("cpu")


def features(task, max_length=100, tokenizer=TOKENIZER, split="train"):
    return task.features(task.rows(split), tokenizer, max_length)


def said(example) -> tuple[str, str]:
    """The texts of the tokens that are not learned, and of those that are."""
    pairs = list(zip(example["input_ids"], example["labels"], strict=True))
    assert all(label in (IGNORED, token) for token, label in pairs)
    prompt, response = ([t for t, label in pairs if (label == IGNORED) is unlearned] for unlearned in (True, False))
    return TOKENIZER.decode(prompt), TOKENIZER.decode(response)


def test_the_response_and_its_end_are_learned_and_the_prompt_is_not(tmp_path):
    found = [said(example) for example in features(dolly(tmp_path))]
    assert found[0] == ("### Instruction:\nName a colour.\n\n### Response:\n", "Red.</s>")
    assert found[1] == ("### Instruction:\nSay hi.\n\n### Response:\n", "Hi {you}!</s>")
    assert found[2] == ("### Instruction:\nAdd.\n\n1 and 2\n\n### Response:\n", "3</s>")


def test_a_chat_template_goes_before_the_plain_one(tmp_path):
    tokenizer = byte_tokenizer(chat_template=CHAT_TEMPLATE)
    assert said(features(dolly(tmp_path), tokenizer=tokenizer)[2]) == ("<user>Add.\n\n1 and 2<assistant>", "3</s>")


def test_a_row_that_the_chat_template_has_no_place_for_is_named(tmp_path):
    tokenizer = byte_tokenizer(chat_template="{{ raise_exception('no user') }}")
    problem = (
        r"train.jsonl: row 1: its conversation has turns of user, for which the chat template of model.name has no"
    )
    with pytest.raises(ConfigError, match=rf'{problem} place \(no user\).*task.bad-rows = "skip"'):
        features(dolly(tmp_path), tokenizer=tokenizer)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_that_of_the_response_tokens_alone(family, tmp_path):
    task, model = dolly(tmp_path), language_model(family)
    examples = features(task)
    losses = []
    for example in examples:
        ids, learned = torch.tensor(example["input_ids"]), len([x for x in example["labels"] if x != IGNORED])
        logits = model(input_ids=ids[None]).logits[0]
        losses.append(functional.cross_entropy(logits[-1 - learned : -1], ids[-learned:], reduction="sum").item())
    tokens = [sum(label != IGNORED for label in example["labels"]) for example in examples]
    batch = task.collate(TOKENIZER)(list(examples))
    assert task.loss(model, batch).item() == pytest.approx(sum(losses) / sum(tokens), rel=1e-5)
    predicted = task.predict(model, batch)
    assert [answer.loss for answer in predicted] == pytest.approx(losses, rel=1e-4)
    assert [answer.tokens for answer in predicted] == tokens


@pytest.mark.parametrize("method", [FLoRG(), FedIT()])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_falls_with_adapters_on_any_family(family, method, tmp_path):
    task = dolly(tmp_path)
    adapted = tiny_adapted(language_model(family), method)
    assert adapted.head_parameters() == []
    how = TrainOptions(learning_rate=0.05, batch_size=4, epochs=60)
    report = local_train(adapted, features(task), how, collate=task.collate(TOKENIZER), loss_fn=task.loss, seed=1)
    assert report.loss_last < 0.95 * report.loss_first


def test_long_responses_are_cut_and_keep_at_least_one_token(tmp_path):
    task = dolly(tmp_path)
    whole = features(task)
    longest = max(example["labels"].count(IGNORED) for example in whole)
    cut = features(task, max_length=longest + 1)
    for example, full in zip(cut, whole, strict=True):
        assert example["input_ids"] == full["input_ids"][: longest + 1]
        assert example["labels"][-1] != IGNORED


def test_a_prompt_that_leaves_no_room_is_named_or_left_out_and_counted(tmp_path):
    lengths = [example["labels"].count(IGNORED) for example in features(dolly(tmp_path))]
    room = sorted(lengths)[-2] + 1
    with pytest.raises(ConfigError) as caught:
        features(dolly(tmp_path), max_length=room)
    longest = lengths.index(max(lengths)) + 1
    for words in (f"task.max-length = {room}", f"train.jsonl: row {longest}: has a prompt", 'task.bad-rows = "skip"'):
        assert words in str(caught.value)
    task = dolly(tmp_path, **{"task.bad-rows": "skip"})
    for _ in range(2):  # made twice, counted once
        assert len(features(task, max_length=room)) == 3
    assert task.skipped["train", "task.max-length"] == 1
    with pytest.raises(ConfigError, match="no prompt of 4 rows leaves room"):
        features(task, max_length=5)


def test_perplexity_weighs_rows_by_their_tokens(tmp_path):
    task = dolly(tmp_path)
    scores = task.score([Answered(3.0, 1, None), Answered(6.0, 8, None)], [{}, {}])
    assert scores == {"loss": 1.0, "perplexity": pytest.approx(math.e)}


@pytest.mark.parametrize(("asked", "answered"), [(0, 0), (2, 2), (-1, 4)])
def test_as_many_rows_are_answered_in_words_as_wanted(asked, answered, tmp_path):
    task = dolly(tmp_path, **{"evaluate.generate-rows": asked, "task.max-new-tokens": 5})
    examples = features(task, split="validation")
    batch, model = task.collate(TOKENIZER)(list(examples)), language_model("llama")
    texts = [answer.text for answer in task.predict(model, batch)]
    assert sum(text is not None for text in texts) == answered
    assert [text is not None for text in texts] == ["reference" in example for example in examples]
    assert texts == [answer.text for answer in task.predict(model, batch)]


def test_responses_are_asked_of_tasks_that_write_some():
    with pytest.raises(ConfigError, match=r"evaluate.generate-rows is read by dolly \| medquad \| instruct, but"):
        make_task(parse_settings({"evaluate.generate-rows": 4}))


def test_a_tokenizer_without_an_end_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no end token"):
        features(dolly(tmp_path), tokenizer=byte_tokenizer(eos_token=None))


def test_batches_without_responses_to_write_hold_tensors_alone(tmp_path):
    task = dolly(tmp_path)
    batch = task.collate(TOKENIZER)(list(features(task)))
    assert batch.keys() == {"input_ids", "attention_mask", "labels"}
    assert [row.sum().item() for row in batch["attention_mask"]] == [len(x["input_ids"]) for x in features(task)]
    assert len(DOLLY["response"]) == len(batch["labels"])
