"""A run is rebuilt as it was, or it is said which part of it is not to be had."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from florg_app.checkpoints import checkpoint_file
from florg_app.checkpoints.load_run import load_run
from strategies.state import State
from tests.support.finished_runs import CPU, finished, said_by_export


def change_metadata(run: Path, **changes: str) -> None:
    state, metadata = checkpoint_file.load_checkpoint(run / checkpoint_file.CHECKPOINT_FILE)
    checkpoint_file.save_checkpoint(run / checkpoint_file.CHECKPOINT_FILE, state, {**metadata, **changes})


@pytest.mark.parametrize("part", ["backbone", "manifest", "bases"])
def test_a_checkpoint_of_another_model_is_refused(part, tmp_path):
    run, assembly = finished(tmp_path)
    change_metadata(run, identity=json.dumps({**assembly.identity, part: "another"}))
    with pytest.raises(ValueError, match=f"{part} was another and is {assembly.identity[part]}"):
        load_run(run, CPU)


def test_a_checkpoint_of_other_code_makes_a_note(tmp_path):
    run, assembly = finished(tmp_path)
    change_metadata(run, identity=json.dumps({**assembly.identity, "source": "another"}))
    assert "note: the run was made by another version of this code" in said_by_export(run)


def test_a_run_that_cannot_be_rebuilt_says_why(tmp_path):
    run, _ = finished(tmp_path)
    with pytest.raises(ValueError, match=r"nowhere holds no checkpoint\.safetensors"):
        load_run(tmp_path / "nowhere", CPU)
    change_metadata(run, settings=json.dumps({"model.name": str(tmp_path / "gone")}))
    with pytest.raises(ValueError, match=r"model\.name = .*gone' is no folder on this machine"):
        load_run(run, CPU)
    change_metadata(run, settings=json.dumps({"model.nme": "tiny"}))
    with pytest.raises(ValueError, match=r"settings that this version cannot use: model\.nme"):
        load_run(run, CPU)
    checkpoint_file.save_checkpoint(run / checkpoint_file.CHECKPOINT_FILE, State(), {"round": "1"})
    with pytest.raises(ValueError, match="does not say its run, attempts, settings, identity"):
        load_run(run, CPU)
    save_file({"A": torch.ones(2)}, run / checkpoint_file.CHECKPOINT_FILE)
    with pytest.raises(ValueError, match="no checkpoint of this application"):
        load_run(run, CPU)


def test_a_run_whose_clients_keep_a_part_of_the_model_cannot_be_rebuilt(tmp_path):
    run, _ = finished(tmp_path)
    settings = json.loads(checkpoint_file.load_checkpoint(run / checkpoint_file.CHECKPOINT_FILE)[1]["settings"])
    kept = {key: value for key, value in settings.items() if not key.startswith("strategy.")}
    change_metadata(run, settings=json.dumps({**kept, "strategy.name": "fedsa-lora"}))
    with pytest.raises(ValueError, match="fedsa-lora, whose clients keep a part of the model to themselves"):
        load_run(run, CPU)
