"""What cannot be gone on with is refused with the reason, before anything is changed."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from florg_app.checkpoints import checkpoint_file, resume
from florg_app.checkpoints.checkpoint_file import CHECKPOINT_FILE
from florg_app.checkpoints.resumable import FREE, setting_differences
from florg_app.checkpoints.resume import find_checkpoint
from florg_app.config.parse import flatten_settings, parse_settings
from strategies.state import State
from tests.support.interrupted import Grid, config_of, serve, whole

QUIET = {"evaluate.every": 0, "server.diagnostics": False}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run of two rounds."""
    return whole(tmp_path_factory.mktemp("finished") / "run", **QUIET, **{"num-server-rounds": 2})


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A copy of it."""
    folder = tmp_path / "run"
    folder.mkdir()
    for path in finished.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(run: Path, *words: str, source: Path | None = None, **settings) -> str:
    """The reason; the folder of the run is as it was."""
    before = contents(run)
    config = config_of("", **QUIET, **{"resume-from": str(source or run), **settings})
    grid = Grid(config)
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the words are checked
        serve(grid, config)
    assert all(word in str(refusal.value) for word in words), str(refusal.value)
    assert grid.trained == []
    assert contents(run) == before
    return str(refusal.value)


def test_settings_that_change_the_mathematics_are_refused_by_key_with_both_values(run):
    text = refused(
        run,
        "train.learning-rate was 0.005 and is 0.01",
        "seed was 1 and is 2",
        "set them back, or start a new run without resume-from",
        **{"train.learning-rate": 0.01, "seed": 2},
    )
    assert "num-server-rounds was" not in text


def test_another_method_is_refused_by_its_name(run):
    text = refused(run, 'strategy.name was "florg" and is "fedit"', **{"strategy.name": "fedit"})
    assert 'strategy.florg.solver was "closed-form" and is absent' in text


def test_every_free_setting_may_change_and_every_other_one_not():
    base = flatten_settings(parse_settings({}))
    assert base.keys() >= FREE
    changed = dict.fromkeys(base, "other")
    assert {line.split(" was ")[0] for line in setting_differences(base, changed)} == base.keys() - FREE


def test_a_complete_run_is_refused_unless_more_rounds_are_wanted(run):
    refused(run, "of round 2, num-server-rounds = 2", "raise num-server-rounds", **{"num-server-rounds": 2})


def test_a_damaged_checkpoint_that_was_named_is_refused_and_the_older_ones_are_named(run):
    (run / CHECKPOINT_FILE).write_bytes((run / CHECKPOINT_FILE).read_bytes()[:-9])
    beside = f"round 1 is in {run / 'checkpoint-000001.safetensors'}"
    refused(run, f"{CHECKPOINT_FILE} cannot be used: it is truncated", beside, source=run / CHECKPOINT_FILE)


@pytest.mark.parametrize("named", ["folder", "latest"])
def test_where_the_newest_of_a_folder_is_damaged_it_is_named_and_the_one_before_it_is_used(run, named, caplog):
    (run / CHECKPOINT_FILE).write_bytes(flipped((run / CHECKPOINT_FILE).read_bytes(), -9))
    given = {"resume-from": str(run)} if named == "folder" else {"resume-from": "latest", "output-dir": str(run)}
    config = config_of("", **QUIET, **given, **{"num-server-rounds": 3})
    serve(grid := Grid(config), config)
    assert f"damaged: checkpoint {run / CHECKPOINT_FILE} cannot be used: its tensors are not those" in caplog.text
    assert "the one before it, of round 1, is used: " in caplog.text
    assert {t for t, _ in grid.trained} == {2, 3}
    (aside,) = run.glob("superseded-*")
    assert (aside / CHECKPOINT_FILE).exists()


def flipped(data: bytes, position: int) -> bytes:
    """One bit of it is another."""
    changed = bytearray(data)
    changed[position] ^= 4
    return bytes(changed)


def test_a_folder_without_any_checkpoint_says_how_to_begin_again(run):
    for path in run.glob("*.safetensors"):
        path.unlink()
    refused(run, "ended before its first checkpoint", "begin it again without resume-from")


def test_a_foreign_file_an_absent_one_and_a_bare_state_are_refused(run):
    save_file({"weight": torch.zeros(2, 3)}, run / "foreign.safetensors")
    refused(run, "is no checkpoint of this application", source=run / "foreign.safetensors")
    refused(run, "does not exist", source=run / "nowhere")
    checkpoint_file.save_checkpoint(run / "bare.safetensors", State(), {"round": "1"})
    refused(run, "does not say its run, attempts, settings, identity", source=run / "bare.safetensors")


@pytest.mark.parametrize("part", ["backbone", "manifest", "bases"])
def test_another_model_is_refused(run, part):
    change(run, identity=lambda identity: {**identity, part: "another"})
    refused(run, f"{part} was another and is")


def test_tensors_of_another_layout_are_refused(run):
    state, header = checkpoint_file.load_checkpoint(run / CHECKPOINT_FILE)
    (group, *_) = state
    state[group]["A"] = state[group]["A"][:, :2]
    checkpoint_file.save_checkpoint(run / CHECKPOINT_FILE, state, header)
    refused(run, "holds the tensors", "use another checkpoint")


def test_other_code_is_no_obstacle_but_is_said(run, caplog):
    """Whoever mends what ended the run has other code; the model and the layers are checked by themselves."""
    change(run, identity=lambda identity: {**identity, "source": "another"})
    config = config_of("", **QUIET, **{"resume-from": str(run), "num-server-rounds": 3})
    serve(Grid(config), config)
    assert "the run was made by another version of this code" in caplog.text


def test_a_folder_with_another_run_is_refused(run, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "history.jsonl").write_text('{"round": 1}\n')
    refused(run, "already holds another run", **{"output-dir": str(other)})
    assert (other / "history.jsonl").read_text() == '{"round": 1}\n'


def test_a_history_that_was_lost_is_said(run, caplog):
    (run / "history.jsonl").unlink()
    config = config_of("", **QUIET, **{"resume-from": str(run), "num-server-rounds": 3})
    serve(Grid(config), config)
    assert "lacks 3 of its rounds; the totals do not count them" in caplog.text


def change(run: Path, **changes) -> None:
    state, header = checkpoint_file.load_checkpoint(run / CHECKPOINT_FILE)
    for key, edit in changes.items():
        header[key] = json.dumps(edit(json.loads(header[key])))
    checkpoint_file.save_checkpoint(run / CHECKPOINT_FILE, state, header)


def latest(folder: Path, monkeypatch, **settings) -> Path:
    monkeypatch.setattr(resume, "RUNS", folder)
    saved = find_checkpoint(parse_settings(config_of("", **QUIET, **{"resume-from": "latest", **settings})))
    assert saved is not None
    return saved.path


def test_the_latest_run_is_the_newest_one_of_the_same_settings(run, tmp_path, monkeypatch, caplog):
    import os
    import shutil

    for seconds, name in ((1, "older"), (2, "newer"), (3, "of-others"), (4, "broken")):
        shutil.copytree(run, tmp_path / "runs" / name)
        os.utime(tmp_path / "runs" / name / CHECKPOINT_FILE, (seconds, seconds))
    state, header = checkpoint_file.load_checkpoint(run / CHECKPOINT_FILE)
    settings = {**json.loads(header["settings"]), "seed": 7}
    checkpoint_file.save_checkpoint(
        tmp_path / "runs/of-others" / CHECKPOINT_FILE, state, {**header, "settings": json.dumps(settings)}
    )
    for path in (tmp_path / "runs/broken").glob("*.safetensors"):
        path.write_bytes(b"half")
    damage_newest(tmp_path / "runs/newer")
    assert latest(tmp_path / "runs", monkeypatch) == tmp_path / "runs/newer/checkpoint-000001.safetensors"
    assert "passed over" in caplog.text
    with pytest.raises(ValueError, match=r"(?s)none of 4 runs in .* has these settings.*seed was 1 and is 5"):
        latest(tmp_path / "runs", monkeypatch, seed=5)
    with pytest.raises(ValueError, match=r"none of 0 runs in .* leave resume-from empty for a new run"):
        latest(tmp_path / "nowhere", monkeypatch)


def damage_newest(folder: Path) -> None:
    """Its time of change stays: it is the newest run still."""
    import os

    file = folder / CHECKPOINT_FILE
    then = file.stat().st_mtime
    file.write_bytes(b"half")
    os.utime(file, (then, then))


def test_the_latest_in_an_output_folder_is_that_folders_own(run):
    config = config_of(run, **QUIET, **{"resume-from": "latest"})
    saved = find_checkpoint(parse_settings(config))
    assert saved is not None
    assert saved.path == run / CHECKPOINT_FILE
