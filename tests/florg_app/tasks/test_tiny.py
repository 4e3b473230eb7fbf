"""The embedded task: its truth, its lack of shortcuts, and that its encoder is really pretrained."""

import itertools
from collections import Counter

import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from transformers import BertForSequenceClassification

from florg_app.tasks.tiny import embedded
from florg_app.tasks.tiny.grammar import LEXICON, ORDERS, WORDS, entails, grammar_rows, pairs
from strategies.rng import generator
from tests.support.tiny_models import classifier


def true_in(sentence: dict[str, str], situation: tuple[str, ...]) -> bool:
    return all(atom in LEXICON[slot][sentence[slot]] for slot, atom in zip(LEXICON, situation, strict=True))


def test_labels_agree_with_looking_at_every_situation():
    atoms = [sorted(set().union(*words.values())) for words in LEXICON.values()]
    situations = list(itertools.product(*atoms))
    for premise, hypothesis, label in itertools.islice(pairs(generator(0, "test")), 60):
        follows = all(true_in(hypothesis, s) for s in situations if true_in(premise, s))
        assert bool(label) == follows == entails(premise, hypothesis)


def test_entailment_has_a_direction():
    dog, animal = ({"adjective": "red", "noun": noun, "verb": "runs", "place": "park"} for noun in ("dog", "animal"))
    assert entails(dog, animal)
    assert not entails(animal, dog)
    assert entails(dog, {**dog, "noun": "hound"})


def test_rows_are_the_same_every_time_balanced_and_not_shared_between_splits():
    train, validation = embedded.embedded_rows("train"), embedded.embedded_rows("validation")
    assert len(train) == embedded.SPLIT_SIZES["train"]
    assert abs(sum(train["label"]) / len(train) - 0.5) < 0.03
    assert train.features["label"].names == ["false", "true"]
    seen = set(zip(train["sentence1"], train["sentence2"], strict=True))
    assert not seen & set(zip(validation["sentence1"], validation["sentence2"], strict=True))
    assert (
        grammar_rows(generator(5, "test"), 20)
        == grammar_rows(generator(5, "test"), 20)
        != grammar_rows(generator(6, "test"), 20)
    )


@pytest.mark.parametrize(
    "view", [lambda r: r[1], lambda r: r[0], lambda r: f"{r[0]} | {r[1]}"], ids=["2nd", "1st", "both"]
)
def test_the_words_alone_do_not_give_the_label_away(view):
    train, test = grammar_rows(generator(1, "test"), 6000), grammar_rows(generator(2, "test"), 2000)
    words = CountVectorizer(ngram_range=(1, 2))
    model = LogisticRegression(C=0.1, max_iter=500).fit(words.fit_transform(map(view, train)), [r[2] for r in train])
    assert model.score(words.transform(map(view, test)), [r[2] for r in test]) < 0.56


def test_both_labels_see_the_same_words():
    drawn = grammar_rows(generator(3, "test"), 12000)
    counts = [Counter(word for _, h, label in drawn if label == wanted for word in h.split()) for wanted in (0, 1)]
    share = [count["animal"] / count.total() for count in counts]
    assert share[0] == pytest.approx(share[1], rel=0.15)


def test_the_vocabulary_is_closed_and_pairs_are_marked():
    tokenizer = embedded.load_embedded_tokenizer()
    encoded = tokenizer(
        ORDERS[0].format(adjective="red", noun="dog", verb="runs", place="park"), "a " + " ".join(WORDS)
    )
    assert tokenizer.unk_token_id not in encoded["input_ids"]
    assert encoded["token_type_ids"][0] == 0
    assert encoded["token_type_ids"][-1] == 1
    longest = max(len(tokenizer(a, b)["input_ids"]) for a, b, _ in grammar_rows(generator(4, "test"), 500))
    assert longest <= tokenizer.model_max_length


def test_what_is_shipped_is_small_text():
    files = list(embedded.EMBEDDED_FOLDER.iterdir())
    assert {file.suffix for file in files} == {".json"}
    assert sum(file.stat().st_size for file in files) < 1_000_000


def test_the_head_is_fresh_and_the_encoder_is_not():
    torch.manual_seed(1)
    one, same = embedded.load_embedded_model(classifier(2)), embedded.load_embedded_model(classifier(3))
    assert same.config.num_labels == 3
    assert torch.equal(one.bert.embeddings.word_embeddings.weight, same.bert.embeddings.word_embeddings.weight)
    torch.manual_seed(1)
    assert torch.equal(embedded.load_embedded_model(classifier(2)).classifier.weight, one.classifier.weight)


def test_the_encoder_knows_which_words_mean_the_same():
    """Of all words, the nearest to a word in the pretrained embedding is most often one of the same slot."""

    def share(model: BertForSequenceClassification) -> float:
        tokenizer = embedded.load_embedded_tokenizer()
        words = [(slot, word) for slot, lexicon in LEXICON.items() for word in lexicon]
        table = model.bert.embeddings.word_embeddings.weight.detach()
        vectors = torch.nn.functional.normalize(table[tokenizer.convert_tokens_to_ids([w for _, w in words])], dim=-1)
        nearest = (vectors @ vectors.T - 2 * torch.eye(len(words))).argmax(-1)
        return sum(words[n][0] == slot for n, (slot, _) in zip(nearest.tolist(), words, strict=True)) / len(words)

    pretrained = embedded.load_embedded_model(classifier(2))
    assert share(pretrained) > 0.8
    assert share(BertForSequenceClassification(pretrained.config)) < 0.5
