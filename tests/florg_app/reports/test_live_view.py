"""What a terminal shows of a run that goes on is made of its records alone, and cuts no number."""

import io

import pytest
from rich.console import Console

from florg_app.reports.live_view import LATE, counts, duration, live_view, progress_words, seconds_left
from tests.support.repository import REPOSITORY


def record(t, accepted=(0, 1), reasons=(), seconds=2.0, **more):
    rejected = [{"partition": 9, "reason": reason} for reason in reasons]
    sent = {"wire-bytes": 123_400_000}
    asked = [*accepted, *(9 for _ in reasons)] if t else []
    accepted = list(accepted) if t else []
    base = {"round": t, "sampled": asked, "accepted": accepted, "rejected": rejected, "seconds": {"train": seconds}}
    return {
        **base,
        "up": sent,
        "down": sent,
        "train": {"loss": 0.123},
        "evaluation": {"accuracy": 0.789, "loss": 0.456},
        **more,
    }


def shown(records, num_rounds, width):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(live_view(records, num_rounds, width))
    return console.file.getvalue()


def test_clients_are_accepted_late_or_rejected():
    assert counts(record(1, (0, 1, 2), [LATE, "loss is no number", LATE])) == (6, 3, 2, 1)
    assert f'"{LATE}"' in (REPOSITORY / "strategies/server/replies.py").read_text()


def test_the_time_that_is_left_is_that_of_the_newest_rounds():
    records = [record(0, seconds=50.0), record(1, seconds=90.0), *(record(t, seconds=3.0) for t in range(2, 7))]
    assert seconds_left(records, 10) == pytest.approx(4 * 3.0)
    assert seconds_left(records, None) is None
    assert seconds_left(records[:1], 10) is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.7, "1 min 0 s"), (61, "1 min 1 s"), (3725, "1 h 2 min")]
)
def test_durations_are_said_in_words(seconds, words):
    assert duration(seconds) == words


def test_one_line_says_how_far_it_is():
    records = [record(0), record(1, reasons=[LATE]), record(2, reasons=["loss is no number"])]
    assert progress_words(records, 5) == (
        "round 2 of 5; 4 accepted, 1 late, 1 rejected; up 370.2 MB down 370.2 MB; about 6 s left"
    )
    assert progress_words([], 5) == "waiting for the first round"
    assert progress_words(records, None).startswith("round 2 of ?; ")
    assert "left" not in progress_words(records, 2)


@pytest.mark.parametrize("width", [80, 120])
def test_no_number_is_cut_and_no_line_is_longer_than_the_terminal(width):
    text = shown([record(t) for t in range(30)], 30, width)
    lines = text.splitlines()
    assert all(len(line) <= width for line in lines)
    assert "…" not in text
    newest = next(line for line in lines if line.split()[:1] == ["29"])
    expected = [
        "29",
        "2/2",
        "0",
        "0",
        "0.123",
        "0.789",
        *(["0.456"] if width > 100 else []),
        "123.4",
        "MB",
        "123.4",
        "MB",
        "2.0",
    ]
    assert newest.split() == expected
    assert not any(line.split()[:1] == ["5"] for line in lines)  # older rounds make room
