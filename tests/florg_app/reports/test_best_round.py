"""The best round and the early end follow from the records alone, in the direction that is good for the score."""

import pytest

from florg_app.reports.best_round import ScoredState, best_state, early_stop, scored_states, unknown_metric


def rounds(**scores):
    """Records with these central scores; None: a round without an evaluation."""
    count = len(next(iter(scores.values())))
    return [
        {
            "round": t,
            "evaluation": {name: values[t] for name, values in scores.items() if values[t] is not None} or None,
        }
        for t in range(count)
    ]


def test_more_is_better_but_of_losses_and_perplexities_and_the_first_of_equals_counts():
    found = rounds(accuracy=[0.5, 0.7, 0.7, 0.6], loss=[0.7, 0.3, 0.2, 0.9], perplexity=[9.0, 8.0, 7.5, 8.5])
    assert best_state(found, "accuracy") == ScoredState(1, 0.7)
    assert best_state(found, "loss") == ScoredState(2, 0.2)
    assert best_state(found, "perplexity") == ScoredState(2, 7.5)
    assert best_state(found, "f1") is None


def test_a_score_of_the_clients_is_of_the_state_that_they_received():
    records = [
        {"round": t, "own": {"mean": {"loss": value}} if t else {}} for t, value in enumerate([0, 0.9, 0.2, 0.4])
    ]
    assert scored_states(records, "own-loss")[0] == ScoredState(0, 0.9)
    assert best_state(records, "own-loss") == ScoredState(1, 0.2)


def test_rounds_without_a_score_are_no_reason_to_end_and_numbers_that_are_none_are():
    assert early_stop(rounds(loss=[0.7, 0.6, None, None, 0.5]), "loss", 2, 0.0) == ""
    diverged = [{"round": t, "evaluation": {"loss": value}} for t, value in enumerate([0.7, None, None])]
    assert (
        early_stop(diverged, "loss", 2, 0.0)
    ) == "ended early after round 2: loss has not become better in 2 scored rounds; it was 0.7 after round 0"


@pytest.mark.parametrize(("min_delta", "ends"), [(0.0, False), (0.025, True)])
def test_small_steps_do_not_count_beyond_the_smallest_that_does(min_delta, ends):
    found = rounds(accuracy=[0.50, 0.51, 0.52, 0.53])
    # By 0.025 neither 0.51 nor 0.52 is better than 0.50.
    assert bool(early_stop(found[:3], "accuracy", 2, min_delta)) == ends
    assert early_stop(found, "accuracy", 0, min_delta) == ""


def test_a_score_that_no_round_has_is_named_with_those_that_there_are():
    found = rounds(accuracy=[0.5], loss=[0.7])
    assert unknown_metric(found, "acuracy") == (
        'checkpoint.best = "acuracy": the rounds have no such score; choose one of accuracy, loss'
    )
    assert unknown_metric(found, "loss") == ""
    assert unknown_metric(found, "own-loss") == ""  # clients have not scored yet
