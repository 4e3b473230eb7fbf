"""Who counted most, and whose weight was lowered, as people read it."""

from florg_app.reports.summary import progress_line, summarise_run
from florg_app.reports.weights import largest_share, lowered_lines, share_line

PLAIN = {"round": 1, "weights": {"0": 10, "2": 30}, "accepted": [0, 2], "sampled": [0, 2]}
LOWERED = {
    "round": 2,
    "weights": {"0": 10, "1": 10, "2": 980},
    "lowered-weights": {"2": {"of": 0.98, "to": 0.9}},
}


def test_the_largest_share_is_that_of_the_round_as_it_was_combined():
    assert largest_share([{"round": 0}, PLAIN]) == {"share": 0.75, "partition": "2", "round": 1}
    assert largest_share([PLAIN, LOWERED]) == {"share": 0.9, "partition": "2", "round": 2}


def test_where_nothing_was_combined_or_nobody_knows_there_is_none():
    assert largest_share([]) is None
    assert largest_share([{"round": 1, "weights": {}}, {**PLAIN, "skipped": "too few"}]) is None
    assert summarise_run([{"round": 0}], 3)["uploads"]["largest-share"] is None


def test_it_is_in_the_summary_and_in_the_line_below_it():
    assert summarise_run([PLAIN], 3)["uploads"]["largest-share"]["share"] == 0.75
    largest = largest_share([PLAIN])
    assert largest is not None
    assert share_line(largest) == "largest weight of one client: 0.75 of round 1 (partition 2)"


def test_who_was_lowered_is_said_with_the_round():
    said = (
        "partition 2 counts for 0.9 of the round instead of 0.98: more than robust.max-share is spread over the others"
    )
    assert lowered_lines(LOWERED) == [said]
    assert progress_line(LOWERED, 3)[1:] == [said]
    assert lowered_lines(PLAIN) == []
