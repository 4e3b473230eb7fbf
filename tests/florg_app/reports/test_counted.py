"""A run of which no round counted says so, and why."""

from florg_app.reports.counted import nothing_counted

FEW = "0 of 2 uploads accepted, min-uploads = 1"


def record(t, skipped="", accepted=(), reasons=()):
    rejected = [{"partition": partition, "reason": reason} for partition, reason in enumerate(reasons)]
    return {"round": t, "skipped": skipped, "accepted": list(accepted), "rejected": rejected}


def test_where_no_upload_was_accepted_the_reasons_of_the_last_round_are_said_each_once():
    records = [record(0), record(1, FEW), record(2, FEW, reasons=["it diverged", "it diverged", "no rows"])]
    assert nothing_counted(records, 2) == (
        f"no upload was ever accepted: all 2 rounds were skipped, the last: {FEW}; partition 0, partition 1: it "
        "diverged; partition 2: no rows; the model is as it began"
    )


def test_a_run_of_one_round_and_one_whose_uploads_were_too_few_are_no_better():
    assert nothing_counted([record(0), record(1, FEW)], 1).startswith(
        f"no upload was ever accepted: its only round was skipped: {FEW}"
    )
    few = "1 of 2 uploads accepted, min-uploads = 2"
    assert nothing_counted([record(0), record(1, few, [0])], 1).startswith("no round counted: its only round")


def test_one_round_that_counted_is_enough_and_no_round_at_all_is_no_failure():
    assert nothing_counted([record(0), record(1, accepted=[0]), record(2, FEW)], 2) == ""
    assert nothing_counted([record(0)], 0) == ""


def test_rounds_that_the_history_has_lost_may_have_counted():
    assert nothing_counted([record(0), record(2, FEW), record(3, FEW)], 3) == ""


def test_many_reasons_and_clients_are_cut_short():
    found = nothing_counted([record(1, FEW, reasons=["a"] * 5 + ["b", "c", "d", "e"])], 1)
    assert "partition 0, partition 1, partition 2 and 2 more: a; partition 5: b; partition 6: c and 2 more;" in found
