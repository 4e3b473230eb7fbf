"""Exact match and F1 of answers as SQuAD's official evaluate-v1.1.py computes them (Rajpurkar et al., EMNLP 2016)."""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Lower case, without ASCII punctuation, without the words a, an, the, with single spaces; in this order."""
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def exact_match(answer: str, reference: str) -> float:
    """1 where both are the same once normalised, else 0."""
    return float(normalise(answer) == normalise(reference))


def f1(answer: str, reference: str) -> float:
    """Harmonic mean of precision and recall of the normalised words, each counted as often as it occurs."""
    ours, theirs = normalise(answer).split(), normalise(reference).split()
    common = sum((Counter(ours) & Counter(theirs)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(ours), common / len(theirs)
    return 2 * precision * recall / (precision + recall)


def squad_scores(answers: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """exact-match and f1 in percent: the mean over the questions of the best over the references of each."""
    return {"exact-match": _mean_best(exact_match, answers, references), "f1": _mean_best(f1, answers, references)}


def _mean_best(
    measure: Callable[[str, str], float], answers: Sequence[str], references: Sequence[Sequence[str]]
) -> float:
    best = [max(measure(answer, one) for one in known) for answer, known in zip(answers, references, strict=True)]
    return 100.0 * sum(best) / len(best)
