"""Checkpoints are written when they are due, a few are kept, and a disk that fails costs none of them."""

import json
import os
import shutil
import subprocess
from collections import namedtuple

import pytest
import torch
from safetensors import SafetensorError

from clients import sealed_tensors
from florg_app.checkpoints import checkpoint_file, manager
from florg_app.checkpoints.checkpoint_file import CHECKPOINT_FILE
from florg_app.checkpoints.manager import CheckpointManager, NotSavedError
from strategies.state import State
from tests.florg_app.test_app import history, same_bits
from tests.support.interrupted import Grid, config_of, serve

QUIET = {"evaluate.every": 0, "server.diagnostics": False}


def state(t: int) -> State:
    return State({"6x5": {"A": torch.full((3, 2, 5), float(t))}})


def rounds_in(folder) -> dict[str, int]:
    return {
        path.name: int(checkpoint_file.read_checkpoint_header(path)["round"]) for path in folder.glob("*.safetensors")
    }


def train(kept: CheckpointManager, *rounds: int, last: int = 99) -> None:
    for t in rounds:
        kept.after_round(t, state(t), {"round": str(t)}, last=t == last)


def closed(kept: CheckpointManager, *rounds: int, error: BaseException | None = None) -> None:
    """Train, end with the error, close."""
    with kept.closing():
        train(kept, *rounds)
        if error is not None:
            raise error


@pytest.fixture
def kept(tmp_path):
    def make(every: int = 1, keep: int = 2) -> CheckpointManager:
        made = CheckpointManager(tmp_path, every, keep)
        made.begin(0, state(0), {"round": "0"})
        return made

    return make


@pytest.fixture
def disk(monkeypatch):
    """A disk that can be full: `disk["full"] = True`. The temporary file is written, but not to its end."""
    condition = {"full": False}
    save = sealed_tensors.save_file

    def save_file(tensors, path, header):
        save(tensors, path, header)
        if condition["full"]:
            os.truncate(path, 10)
            raise SafetensorError("I/O error: No space left on device (os error 28)")  # its words

    monkeypatch.setattr(sealed_tensors, "save_file", save_file)
    return condition


def test_the_newest_checkpoints_are_kept_under_their_rounds(kept, tmp_path):
    train(kept(keep=3), *range(1, 6))
    assert rounds_in(tmp_path) == {
        CHECKPOINT_FILE: 5,
        "checkpoint-000004.safetensors": 4,
        "checkpoint-000003.safetensors": 3,
    }


def test_a_single_one_is_replaced(kept, tmp_path):
    train(kept(keep=1), 1, 2)
    assert rounds_in(tmp_path) == {CHECKPOINT_FILE: 2}


def test_only_every_so_many_rounds_and_the_last_have_one(kept, tmp_path):
    one = kept(every=3, keep=9)
    train(one, *range(1, 9), last=8)
    assert sorted(rounds_in(tmp_path).values()) == [0, 3, 6, 8]


def test_the_oldest_round_that_can_be_resumed_from_is_known(kept):
    one = kept(keep=2)
    assert one.oldest == 0
    train(one, 1, 2, 3)
    assert one.oldest == 2


def test_the_end_of_a_run_that_fails_between_two_checkpoints_is_written(kept, tmp_path):
    one = kept(every=5)
    with pytest.raises(KeyboardInterrupt):
        closed(one, 1, 2, error=KeyboardInterrupt())
    assert rounds_in(tmp_path)[CHECKPOINT_FILE] == 2


def test_a_full_disk_leaves_the_last_good_one_and_the_next_round_tries_again(kept, tmp_path, disk, caplog):
    one = kept(every=2)
    train(one, 1, 2)
    good = (tmp_path / CHECKPOINT_FILE).read_bytes()
    disk["full"] = True
    train(one, 3, 4)
    assert (tmp_path / CHECKPOINT_FILE).read_bytes() == good
    assert not list(tmp_path.glob(".*"))
    assert "checkpoint of round 4 could not be written: " in caplog.text
    assert "the newest on the disk is that of round 2" in caplog.text
    assert one.oldest == 0
    disk["full"] = False
    train(one, 5)  # not due by itself
    assert rounds_in(tmp_path) == {CHECKPOINT_FILE: 5, "checkpoint-000002.safetensors": 2}


def test_an_end_that_cannot_be_written_says_so_and_from_where_to_go_on(kept, tmp_path, disk):
    one = kept()
    train(one, 1)
    disk["full"] = True
    with pytest.raises(NotSavedError, match=r"rounds after 1 are not on the disk .*No space.*resume-from = "):
        closed(one, 2)
    assert rounds_in(tmp_path)[CHECKPOINT_FILE] == 1


def test_the_reason_of_a_failed_run_goes_before_that_of_the_disk(kept, disk, caplog):
    one = kept()
    disk["full"] = True
    with pytest.raises(ZeroDivisionError):
        closed(one, 1, error=ZeroDivisionError())
    assert "are not on the disk" in caplog.text


def test_a_file_system_without_hard_links_gets_copies(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(manager.os, "link", lambda *_: (_ for _ in ()).throw(PermissionError("no links")))
    train(kept(), 1, 2)
    assert rounds_in(tmp_path) == {CHECKPOINT_FILE: 2, "checkpoint-000001.safetensors": 1}


def test_too_little_room_is_refused_with_the_sizes_before_anything_is_trained(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(manager.shutil, "disk_usage", lambda _: usage(1_005_000))
    config = config_of(tmp_path / "run", **QUIET)
    grid = Grid(config)
    with pytest.raises(ValueError, match=r"has 1\.0 MB free, but 2 checkpoints of \d.* lower checkpoint\.keep") as why:
        serve(grid, config)
    assert "output-dir" in str(why.value)
    assert grid.trained == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1.5 MB, where this machine lets tests mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", folder], capture_output=True, text=True, check=False
        )
        if shutil.which("mount")
        else None
    )
    if done is None or done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip() if done else 'there is no mount'}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


class Filling(Grid):
    """Fills the disk while the clients train in round 2, and empties it in round `relief`."""

    relief = 0

    def _serve(self, message):
        ballast = self.disk / "ballast"
        t = len({t for t, _ in self.trained})
        if t == 2 and not ballast.exists() and self.relief > 2:
            ballast.write_bytes(bytes(shutil.disk_usage(self.disk).free))
        if t == self.relief:
            ballast.unlink(missing_ok=True)
        return super()._serve(message)


def test_a_disk_that_is_full_for_a_while_costs_nothing(small_disk, tmp_path, caplog):
    config = config_of(small_disk / "run", **QUIET)
    grid = Filling(config)
    grid.disk, grid.relief = small_disk, 4
    serve(grid, config)
    assert "could not be written" in caplog.text
    expected = config_of(tmp_path / "whole", **QUIET)
    serve(Grid(expected), expected)
    assert same_bits(small_disk / "run", tmp_path / "whole")
    assert [record["round"] for record in history(small_disk / "run")] == [0, 1, 2, 3, 4]


def test_a_disk_that_stays_full_fails_the_run_which_can_be_gone_on_with(small_disk, tmp_path):
    config = config_of(small_disk / "run", **QUIET)
    grid = Filling(config)
    grid.disk, grid.relief = small_disk, 99
    with pytest.raises(NotSavedError, match="rounds after 1 are not on the disk"):
        serve(grid, config)
    (small_disk / "ballast").unlink()
    again = config_of("", **QUIET, **{"resume-from": str(small_disk / "run")})
    serve(Grid(again), again)
    expected = config_of(tmp_path / "whole", **QUIET)
    serve(Grid(expected), expected)
    assert same_bits(small_disk / "run", tmp_path / "whole")
    assert json.loads((small_disk / "run" / "summary.json").read_text())["status"] == "completed"
