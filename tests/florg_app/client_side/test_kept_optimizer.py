"""train.optimizer-state in the whole application: a client goes on with its own moments, and with nobody else's."""

import pytest
from flwr.app import RecordDict

from florg_app.client_side.memories import OPTIMIZER
from tests.florg_app.client_side.test_private_state import Observed, equal, observe
from tests.florg_app.test_app import run, same_bits

STEPS = 2
"""Of a client in a round, as `observe` sets them."""


def keeping(name: str, folder, **grid) -> Observed:
    settings = {"train.optimizer-state": "keep", "task.max-validation-rows": 8}
    return observe(name, folder, settings=settings, record=OPTIMIZER, **grid)


@pytest.mark.parametrize("name", ["florg", "fedftg"])
def test_every_client_goes_on_from_a_state_of_its_own_that_never_travels(name, tmp_path):
    grid = keeping(name, tmp_path)
    kept = grid.remembered
    for (t, partition), state in kept.items():
        counts = {tuple(tensor.tolist()) for key, tensor in state.items() if key.endswith("step")}
        assert counts == {(t * STEPS,)}, (t, partition)
    for t in (1, 2):
        assert not equal(kept[t, 0], kept[t, 1])
    assert not set(kept[1, 0]) & (grid.up | grid.down)


def test_moments_of_another_rank_are_dropped(tmp_path):
    """SLoRA's second stage trains other tensors than its first; a client that pruned itself has fewer rows."""
    settings = {"train.optimizer-state": "keep", "strategy.slora.rounds": 1, "task.max-validation-rows": 8}
    kept = observe("slora", tmp_path, settings=settings, record=OPTIMIZER).remembered
    for (t, partition), state in kept.items():
        counts = {tuple(tensor.tolist()) for key, tensor in state.items() if key.endswith("A/step")}
        assert counts == {(STEPS,)}, (t, partition)


def test_clients_that_share_a_process_do_not_see_each_others_moments(tmp_path):
    """Clients that exchange nothing at all end with the same moments alone as among others."""
    among_others, alone = keeping("local", tmp_path / "all"), keeping("local", tmp_path / "few", asked_alone=0)
    for t in (1, 2):
        assert equal(among_others.remembered[t, 0], alone.remembered[t, 0])


@pytest.mark.parametrize("name", ["florg", "fedsa-lora"])
def test_a_restart_changes_no_bit_with_a_state_directory_and_loses_the_moments_without(name, tmp_path):
    whole = keeping(name, tmp_path / "whole")
    on_disk = {"node_config": {"state-dir": str(tmp_path / "state")}}
    restarted = keeping(name, tmp_path / "restarted", restart=True, **on_disk)
    forgetful = keeping(name, tmp_path / "forgetful", restart=True)
    assert same_bits(tmp_path / "whole", tmp_path / "restarted")
    assert all(equal(whole.remembered[key], restarted.remembered[key]) for key in whole.remembered)
    assert not same_bits(tmp_path / "whole", tmp_path / "forgetful")
    assert equal(whole.remembered[1, 0], forgetful.remembered[1, 0])
    assert {path.name for path in (tmp_path / "state" / OPTIMIZER).iterdir()} == {f"{p}.safetensors" for p in range(3)}


def test_reset_is_the_default_and_leaves_no_trace(tmp_path):
    short = {"task.max-validation-rows": 8, "train.max-steps": STEPS}
    run(tmp_path / "default", **short)
    grid = observe("florg", tmp_path / "reset", settings={**short, "train.optimizer-state": "reset"})
    assert same_bits(tmp_path / "default", tmp_path / "reset")
    assert all(context.state == RecordDict() for context in grid._contexts.values())
    keeping("florg", tmp_path / "keep")
    assert not same_bits(tmp_path / "default", tmp_path / "keep")
