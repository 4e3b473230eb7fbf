"""Generation: the same tokens for a prompt alone and among others; texts scored as everyone does."""

import math

import pytest
import torch

from clients.generate import continuations, end_tokens
from florg_app.tasks.instruct.text_scores import text_scores
from tests.support.instructions import language_model

PROMPTS = [torch.tensor(ids) for ids in ([5, 9, 40, 77, 8], [30, 31], [12, 200, 3])]


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_prompts_of_unequal_length_go_on_as_each_does_alone(family):
    model = language_model(family)
    together = continuations(model, PROMPTS, 7, 0, {2})
    assert together == [continuations(model, [prompt], 7, 0, {2})[0] for prompt in PROMPTS]
    assert together == continuations(model, PROMPTS, 7, 0, {2})
    assert max(map(len, together)) == 7


@pytest.mark.parametrize("family", ["llama", "gpt2", "opt"])
def test_each_token_is_the_likeliest_after_all_before_it(family):
    model = language_model(family)
    ids = PROMPTS[0].tolist()
    for token in continuations(model, [PROMPTS[0]], 6, 0, {2})[0]:
        assert token == model(input_ids=torch.tensor([ids])).logits[0, -1].argmax().item()
        ids.append(token)


def test_a_continuation_ends_before_the_first_end():
    model = language_model("llama")
    free = continuations(model, PROMPTS, 6, 0, {2})
    end = free[0][3]
    stopped = continuations(model, PROMPTS, 6, 0, {2, end})
    assert stopped[0] == free[0][: free[0].index(end)]
    assert all(end not in row for row in stopped)


def test_what_a_checkpoint_says_about_sampling_is_left_aside():
    model = language_model("llama")
    free = continuations(model, PROMPTS, 6, 0, {2})
    model.generation_config.update(do_sample=True, temperature=9.0, repetition_penalty=5.0, eos_token_id=[7, 8])
    assert continuations(model, PROMPTS, 6, 0, {2}) == free
    assert end_tokens(model, 2) == {2, 7, 8}


def test_rouge_and_bleu_have_their_known_values():
    pytest.importorskip("rouge_score")
    pytest.importorskip("sacrebleu")
    same = text_scores(["the cat sat on the mat today"], ["the cat sat on the mat today"])
    assert same == {"rouge-l": pytest.approx(1.0), "bleu-4": pytest.approx(1.0)}
    # 6 of 7 words in order: precision 6/6, recall 6/7. n-grams all right, 6 words against 7.
    short = text_scores(["the cat sat on the mat"], ["the cat sat on the mat today"])
    assert short == {"rouge-l": pytest.approx(12 / 13), "bleu-4": pytest.approx(math.exp(1 - 7 / 6))}
    # 9 of 12 words, 6 of 10 pairs, 4 of 8 triples, 3 of 6 quadruples, no brevity penalty.
    texts, references = ["a b c d e f", "a b x y e z"], ["a b c d e f", "a b c d e f"]
    half = text_scores(texts, references)
    bleu = (9 / 12 * 6 / 10 * 4 / 8 * 3 / 6) ** (1 / 4)
    assert half == {"rouge-l": pytest.approx((1 + 3 / 6) / 2), "bleu-4": pytest.approx(bleu)}


def test_nothing_in_common_scores_nothing():
    pytest.importorskip("rouge_score")
    pytest.importorskip("sacrebleu")
    assert text_scores(["x y z w v"], ["a b c d e"])["rouge-l"] == 0.0
