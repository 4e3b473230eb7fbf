"""A process of the simulation that dies ends the run, which goes on to the same bits; a client's words end nothing."""

import os
import signal
import subprocess

import psutil
import pytest
import ray.exceptions
from flwr.app import Message

from florg_app.engines.inline import InProcessGrid
from florg_app.server_side.ends import FORESEEN
from florg_app.server_side.simulated_grid import REMEDY, DeadActorError, watched
from strategies.exchange.hello import WHO, Hello, question
from strategies.flower_internals import SIMULATED_GRID, client_error, task_identity
from strategies.server.polling import collect
from tests.florg_app.test_app import history, same_bits
from tests.support import patience
from tests.support.killed_runs import SETTINGS, assignments, go_on
from tests.support.processes import await_end
from tests.support.repository import REPOSITORY
from tests.support.stub_app import FLORG


def dies(message: Message, context) -> Message:
    return client_error(ray.exceptions.ActorDiedError(), message)


def answers(kind: type[InProcessGrid]) -> list[bool]:
    """Whether the replies of two nodes say an error, as they come through the grid."""
    grid = watched(kind(dies, {}, 2))
    asked = [(question(WHO, node), node) for node in grid.get_node_ids()]
    return [reply.has_error() for _, reply in collect(grid, asked, 5.0, 10_000)]


def test_the_death_of_a_process_of_the_simulation_ends_the_run_and_says_what_to_lower():
    assert DeadActorError in FORESEEN
    assert "--threads-per-client" in REMEDY
    assert "resume-from" in REMEDY
    simulated = type(SIMULATED_GRID, (InProcessGrid,), {})
    with task_identity(), pytest.raises(DeadActorError, match="has died"):
        answers(simulated)


def test_a_client_of_a_deployment_that_says_the_same_is_an_error_as_any_other():
    with task_identity():
        assert answers(InProcessGrid) == [True, True]


def test_a_simulations_grid_is_otherwise_as_it_was():
    simulated = type(SIMULATED_GRID, (InProcessGrid,), {})

    def serve(message: Message, context) -> Message:
        return Message(Hello(context.node_config["partition-id"], 2).content(), reply_to=message)

    with task_identity():
        grid = watched(simulated(serve, {}, 2))
        asked = [(question(WHO, node), node) for node in grid.get_node_ids()]
        assert [node for node, _ in collect(grid, asked, 5.0, 10_000)] == list(grid.get_node_ids())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_simulation_whose_process_is_killed_fails_and_goes_on_to_the_same_bits(tmp_path):
    settings = assignments({**SETTINGS, "num-server-rounds": 4, "checkpoint.every": 1})

    def command(run, *more: str) -> list[str]:
        return [*FLORG, "run", "--app", str(REPOSITORY), "--plain", "--output", str(run), *more]

    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)}
    whole, run = tmp_path / "whole", tmp_path / "run"
    subprocess.run(command(whole, "--clients", "3", *settings), cwd=tmp_path, env=env, check=True, capture_output=True)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command(run, "--clients", "3", *settings), cwd=tmp_path, env=env, stdout=log, stderr=log
        )
        patience.until(
            "round 1 is over",
            lambda: (run / "history.jsonl").exists() and len(history(run)) > 1,
            process,
        )
        family = psutil.Process(process.pid).children(recursive=True)
        [actor, *_] = [one for one in family if "ClientAppActor" in " ".join(one.cmdline())]
        actor.send_signal(signal.SIGKILL)
        assert process.wait(patience.left()) == 1
    await_end(tmp_path)
    words = (tmp_path / "log").read_text()
    assert "--threads-per-client" in words
    assert "Traceback" not in words
    again = [*FLORG, "run", "--app", str(REPOSITORY), "--plain", *go_on(run)]
    subprocess.run(again, cwd=tmp_path, env=env, check=True, capture_output=True)
    assert [record["accepted"] for record in history(run)] == [record["accepted"] for record in history(whole)]
    assert not any(record["rejected"] for record in history(run))
    assert same_bits(whole, run)
