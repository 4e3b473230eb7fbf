"""A run that was interrupted and gone on with ends with the bits of one that was not."""

import json
from pathlib import Path

import pytest
from flwr.app import Error, Message

from florg_app.checkpoints import checkpoint_file
from florg_app.checkpoints.checkpoint_file import CHECKPOINT_FILE
from florg_app.checkpoints.run_checkpoint import read_run_header
from florg_app.engines.inline import task_identity
from strategies import METHODS
from strategies.exchange.wire import CONFIG, ROUND
from strategies.server.round_policy import SKIPPED
from tests.florg_app.test_app import history, same_bits
from tests.support.fakes import Run, assert_same_bits
from tests.support.interrupted import Grid, config_of, killed, serve, whole

KINDS = {
    "gram": {"strategy.name": "florg"},
    "full": {"strategy.name": "fedftg"},
    "local": {"strategy.name": "fedsa-lora"},
    "lowered ranks": {"strategy.name": "hetlora", "adapter.client-ranks": "2,4"},
    "moments": {"strategy.name": "florg", "train.optimizer-state": "keep"},
    "schedule": {"strategy.name": "florg", "train.schedule": "cosine", "train.warmup-rounds": 2},
    "fresh": {"strategy.name": "rac-lora"},
    "server moments": {"strategy.name": "fedit", "strategy.server-optimizer": "fedadam"},
    "growing residual": {"strategy.name": "fedex-lora", "strategy.fedex-lora.residual": "factored"},
}
QUIET = {"evaluate.every": 0, "server.diagnostics": False}


@pytest.mark.parametrize("name", METHODS)
def test_a_state_from_a_checkpoint_goes_on_to_the_same_bits(name, tmp_path):
    with task_identity():
        expected, first, second = (Run(METHODS[name]()) for _ in range(3))
        expected.go(4)
        checkpoint_file.save_checkpoint(tmp_path / CHECKPOINT_FILE, first.go(2).state, {})
        second.federation.state, _ = checkpoint_file.load_checkpoint(tmp_path / CHECKPOINT_FILE)
        second.federation.run(second.grid, (3, 4), lambda t, state: None)
    assert_same_bits(second.state, expected.state)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_killed_in_the_middle_of_a_round_ends_with_the_same_bits(kind, tmp_path):
    """Two clients had finished the round that is repeated, and remember it."""
    settings = {**KINDS[kind], **QUIET}
    expected = whole(tmp_path / "whole", **settings)
    grid = killed(tmp_path / "run", 3, **settings)
    config = config_of("", **settings, **{"resume-from": str(tmp_path / "run")})
    again = Grid(config)
    again._contexts = grid._contexts  # the SuperNodes have gone on living
    serve(again, config)
    assert same_bits(expected, tmp_path / "run")
    assert {t for t, _ in again.trained} == {3, 4}


@pytest.mark.parametrize("every", [1, 3])
def test_clients_that_keep_something_and_are_restarted_too_end_with_the_same_bits(every, tmp_path):
    """With every = 3 the checkpoint is three rounds old: what was local then is needed, not what was trained since."""
    settings = {**KINDS["local"], **QUIET, "num-server-rounds": 7, "checkpoint.every": every}
    expected = whole(tmp_path / "whole", **settings)
    killed(tmp_path / "run", 6, tmp_path / "state", **settings)
    (
        tmp_path / "run" / CHECKPOINT_FILE
    ).unlink()  # what was written while dying, which a kill would not have let happen
    oldest = tmp_path / "run" / f"checkpoint-{4 if every == 1 else 3:06}.safetensors"
    config = config_of("", **settings, **{"resume-from": str(oldest)})
    serve(Grid(config, state_dir=tmp_path / "state"), config)
    assert same_bits(expected, tmp_path / "run")


def test_a_run_that_was_killed_twice_ends_with_the_same_bits(tmp_path):
    settings = {**KINDS["local"], **QUIET}
    expected = whole(tmp_path / "whole", **settings)
    state, run = tmp_path / "state", {"resume-from": str(tmp_path / "run")}
    killed(tmp_path / "run", 2, state, **settings)
    killed(tmp_path / "run", 3, state, **settings, **run)
    serve(Grid(config_of("", **settings), state_dir=state), config_of("", **settings, **run))
    assert same_bits(expected, tmp_path / "run")
    assert [resume["after"] for resume in summary(tmp_path / "run")["resumed"]] == [1, 2]


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def without_seconds(records: list[dict]) -> list[dict]:
    def strip(value):
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if "second" not in k and not k.startswith("peak")}
        return value

    return [strip(record) for record in records]


def test_history_and_summary_go_on_as_if_nothing_had_happened(tmp_path):
    expected, run = whole(tmp_path / "whole"), tmp_path / "run"
    killed(run, 3)
    first = summary(run)["seconds"]["total"]
    serve(Grid(config_of("")), config_of("", **{"resume-from": str(run)}))
    assert without_seconds(history(run)) == without_seconds(history(expected))
    found, other = summary(run), summary(expected)
    for key in ("rounds", "uploads", "communication", "initial", "final", "best"):
        assert found[key] == other[key]
    assert found["seconds"]["total"] > first > 0
    assert found["status"] == "completed"
    assert found["resumed"] == [{"after": 2, "source": str(run / CHECKPOINT_FILE)}]


def test_a_run_goes_on_for_more_rounds_after_its_end(tmp_path):
    expected = whole(tmp_path / "whole", **QUIET)
    run = whole(tmp_path / "run", **QUIET, **{"num-server-rounds": 2})
    more = {"resume-from": str(run), "max-skipped": 2, "checkpoint.keep": 1, "evaluate.every": 0}
    serve(Grid(config_of("")), config_of("", **{**QUIET, **more}))
    assert same_bits(expected, run)
    assert [path.name for path in run.glob("*.safetensors")] == [CHECKPOINT_FILE]


def test_nothing_of_an_attempt_that_is_given_up_is_lost(tmp_path):
    run = whole(tmp_path / "run", **QUIET)
    records, before = history(run), (run / CHECKPOINT_FILE).read_bytes()
    older = run / "checkpoint-000003.safetensors"
    serve(Grid(config_of("")), config_of("", **QUIET, **{"resume-from": str(older)}))
    (aside,) = run.glob("superseded-*")
    assert history(aside) == records[4:]
    assert (aside / CHECKPOINT_FILE).read_bytes() == before
    assert (aside / "summary.json").exists()
    assert [record["round"] for record in history(run)] == [0, 1, 2, 3, 4]


def test_a_run_goes_on_in_a_new_folder_and_leaves_the_old_one_alone(tmp_path):
    run = whole(tmp_path / "run", **QUIET, **{"num-server-rounds": 2})
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    serve(Grid(config_of("")), config_of(tmp_path / "new", **QUIET, **{"resume-from": str(run)}))
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    assert [record["round"] for record in history(tmp_path / "new")] == [0, 1, 2, 3, 4]
    assert same_bits(whole(tmp_path / "whole", **QUIET), tmp_path / "new")


@pytest.mark.parametrize(("saved", "counted"), [(0, 0), (2, 2), (3, 0)])
def test_skipped_rounds_count_on_unless_they_had_ended_the_run(saved, counted):
    run = Run(max_skipped=3, bookkeeping={SKIPPED: saved})
    assert run.federation.bookkeeping[SKIPPED] == counted


def test_the_count_of_skipped_rounds_is_in_the_checkpoint(tmp_path):
    """All clients of round 3 and 4 fail."""
    config = config_of(tmp_path, **QUIET, **{"min-clients": 4, "min-uploads": 3})
    grid = Failing(config)
    serve(grid, config)
    assert read_run_header(tmp_path / CHECKPOINT_FILE).bookkeeping[SKIPPED] == 2


class Failing(Grid):
    def _serve(self, message):
        if message.metadata.message_type == "train" and int(message.content.config_records[CONFIG][ROUND]) > 2:
            return Message(Error(0, "no"), reply_to=message)
        return super()._serve(message)
