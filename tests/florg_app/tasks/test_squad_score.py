"""SQuAD's own measures, on cases made by hand from the rules of evaluate-v1.1.py."""

import pytest

from florg_app.tasks.squad.score import exact_match, f1, normalise, squad_scores


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Denver\tBroncos", "denver broncos"),
        ("an apple a day", "apple day"),
        ("U.S.", "us"),
        ("a.m.", "am"),  # punctuation goes before articles: "a.m." keeps its a
        ("the-end", "theend"),
        ("Anthem", "anthem"),
        ("$1,000", "1000"),
        ("naïve “café”", "naïve “café”"),  # only ASCII punctuation
        ("The", ""),
    ],
)
def test_texts_are_compared_in_lower_case_without_punctuation_articles_and_spaces(text, normal):
    assert normalise(text) == normal


@pytest.mark.parametrize(
    ("answer", "reference", "exact", "overlap"),
    [
        ("the Denver Broncos!", "Denver Broncos", 1.0, 1.0),
        ("Denver", "Denver Broncos", 0.0, 2 * 1 * 0.5 / 1.5),
        ("won by Denver Broncos in 2016", "Denver Broncos", 0.0, 2 * (2 / 6) * 1 / (2 / 6 + 1)),
        ("to be or not to be", "to be", 0.0, 2 * (2 / 6) * 1 / (2 / 6 + 1)),  # each word as often as both have it
        ("Carolina", "Denver", 0.0, 0.0),
        ("", "Denver", 0.0, 0.0),
        ("the", "a", 1.0, 0.0),  # nothing is left of either: the same text, but no common word
    ],
)
def test_an_answer_is_compared_with_one_reference(answer, reference, exact, overlap):
    assert exact_match(answer, reference) == exact
    assert f1(answer, reference) == pytest.approx(overlap)


def test_the_best_reference_counts_for_each_measure_and_the_mean_is_in_percent():
    answers = ["Denver", "2016"]
    references = [["Denver Broncos", "Broncos of Denver"], ["in the year 2016", "2016"]]
    assert squad_scores(answers, references) == pytest.approx({"exact-match": 50.0, "f1": 100 * (2 / 3 + 1) / 2})
