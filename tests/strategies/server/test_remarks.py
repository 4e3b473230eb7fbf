"""What a step loses for good is said in the log, once for each group."""

import itertools

import torch

from strategies.methods.florg import FLoRG
from strategies.server.remarks import Remarks
from strategies.state import Group, State
from tests.florg_app.test_app import run

GROUP, OTHER = Group(9, 7, ("a", "b")), Group(6, 8, ("c",))


def factors(*smallest, k=7):
    """A (l, 3, k) with the singular values 1, 0.5 and these."""
    A = torch.zeros(len(smallest), 3, k)
    for layer, value in enumerate(smallest):
        A[layer] = torch.diag(torch.tensor([1.0, 0.5, value]))[:, :3] @ torch.eye(3, k)
    return {"A": A}


def test_only_a_step_that_loses_directions_is_remarked_on():
    method = FLoRG()
    assert method.remark(GROUP, factors(0.1, 0.1), factors(0.1, 2e-4)) == ""
    assert method.remark(GROUP, factors(0.0, 0.1), factors(0.0, 0.1)) == ""
    assert method.remark(GROUP, factors(0.0, 0.1), factors(0.2, 0.1)) == ""
    remark = method.remark(GROUP, factors(0.1, 5e-4), factors(0.1, 1e-8))
    assert "drops 1 of 3 directions of A in 1 of 2 layers 9x7, such as b" in remark
    assert "literal" in remark
    assert FLoRG(solver="literal").remark(GROUP, factors(0.1, 0.1), factors(0.1, 0.0)) == ""


def test_each_group_is_remarked_on_once():
    remarks = Remarks(FLoRG(), [GROUP, OTHER])
    states = [
        State({"9x7": factors(one, 0.1), "6x8": factors(other, k=6)})
        for one, other in ((0.1, 0.1), (0.0, 0.1), (0.1, 0.1), (0.0, 0.0))
    ]
    said = [remarks.of_step(old, new) for old, new in itertools.pairwise(states)]
    assert [len(remark) for remark in said] == [1, 0, 1]
    assert "9x7" in said[0][0]
    assert "6x8" in said[2][0]


def test_the_log_of_a_run_has_the_remark_of_the_round_that_lost_something_and_no_second_one(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(FLoRG, "remark", lambda self, group, old, new: f"of {group.name} something is lost")
    run(tmp_path / "run", **{"num-server-rounds": 2})
    said = [record.message for record in caplog.records if "something is lost" in record.message]
    assert said
    assert all(line.startswith("florg | round 1: of ") for line in said)
    assert len(said) == len(set(said))
