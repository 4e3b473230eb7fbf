"""METRICS by name: how well answers agree with the truth, as scikit-learn and scipy compute it."""

from collections.abc import Callable, Mapping

import numpy as np

Answers = np.ndarray
"""(n): class numbers, or numbers on a scale."""


# scikit-learn and scipy take seconds to import, and a client that only trains never needs them.
def _accuracy(truth: Answers, chosen: Answers) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(truth, chosen))


def _f1(truth: Answers, chosen: Answers) -> float:
    """Of class 1."""
    from sklearn.metrics import f1_score

    return float(f1_score(truth, chosen, zero_division=0))  # pyright: ignore[reportArgumentType]


def _macro_f1(truth: Answers, chosen: Answers) -> float:
    """The unweighted mean over the classes."""
    from sklearn.metrics import f1_score

    return float(f1_score(truth, chosen, average="macro", zero_division=0))  # pyright: ignore[reportArgumentType]


def _matthews(truth: Answers, chosen: Answers) -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(truth, chosen))


def _pearson(truth: Answers, chosen: Answers) -> float:
    from scipy.stats import pearsonr

    return _correlation(pearsonr, truth, chosen)


def _spearman(truth: Answers, chosen: Answers) -> float:
    from scipy.stats import spearmanr

    return _correlation(spearmanr, truth, chosen)


def _correlation(measure: Callable[..., object], truth: Answers, chosen: Answers) -> float:
    """0 where one side is constant and no correlation is defined."""
    if len(truth) < 2 or np.ptp(truth) == 0 or np.ptp(chosen) == 0:
        return 0.0
    return float(measure(truth, chosen)[0])  # pyright: ignore[reportIndexIssue]


METRICS_BY_NAME: Mapping[str, Callable[[Answers, Answers], float]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "macro-f1": _macro_f1,
    "matthews": _matthews,
    "pearson": _pearson,
    "spearman": _spearman,
}
"""(truth, chosen) -> score, larger is better."""
