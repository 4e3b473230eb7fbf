"""Whatever can be known before a run starts is said before it: status 2, one message, no stack, and nothing begun.

The message names the key, the value, what is allowed and the next move; the words of each case are all four.
"""

import os

import pytest
import torch
from typer.testing import CliRunner

from florg_app.cli.main import app
from florg_app.engines import experiment

CUDA = torch.cuda.is_available()
CORES = os.cpu_count() or 1


def with_set(*assignments):
    return [word for assignment in assignments for word in ("--set", assignment)]


TEXT = with_set("task.name=text", "task.path=rows")

MISTAKES = {
    # what was typed, and what the answer has to hold
    "misspelt task": (with_set("task.name=sst2"), 'task.name = "sst2": expected tiny | glue/cola | ', '"glue/sst2"'),
    "rank too large": (
        with_set("adapter.rank=100"),
        "adapter.rank = 100 exceeds min(out, in) = 64",
        "choose adapter.rank <=",
    ),
    "rank of nothing": (with_set("adapter.rank=0"), "adapter.rank = 0: expected a whole number >= 1"),
    "targets that match nothing": (
        with_set("adapter.targets=foo"),
        "adapter.targets = 'foo'",
        "its linear layers end in: ",
    ),
    "no such CUDA device": (
        with_set("client.device=cuda:97"),
        'client.device = "cuda:97"',
        'set it to "auto" or "cpu"',
    ),
    "no such server device": (
        with_set("server.device=cuda:97"),
        'server.device = "cuda:97"',
        'set it to "auto" or "cpu"',
    ),
    "no device at all": (with_set("client.device=gpu"), 'client.device = "gpu": expected auto | cpu | cuda | cuda:N'),
    "more GPU than there is": (
        ["--gpus-per-client", "97"],
        "--gpus-per-client 97: this machine has",
        "CUDA device(s)",
        "give at most" if CUDA else "leave it out",
    ),
    "more cores than there are": (
        ["--threads-per-client", "4096"],
        f"--threads-per-client 4096: this machine has {CORES} CPU",
        "give at most",
    ),
    "more clients than rows": (
        ["--clients", "5000"],
        "training rows cannot give 5000 clients",
        "partition.min-size = 8",
        "run fewer clients",
    ),
    "more clients awaited than simulated": (
        ["--clients", "3", *with_set("min-clients=9")],
        "min-clients = 9: 3 clients are simulated",
        "raise --clients",
    ),
    "a file that is no TOML": (["--config", "broken.toml"], "--config broken.toml is no TOML", "line 1"),
    "a file that is not there": (["--config", "nowhere.toml"], "--config nowhere.toml: No such file"),
    "a folder as a file": (["--config", "rows"], "--config rows: Is a directory"),
    "a file in another encoding": (["--config", "latin.toml"], "--config latin.toml is no TOML", "UTF-8"),
    "unknown key": (
        with_set("train.lerning-rate=1"),
        "train.lerning-rate: no such setting",
        "did you mean train.learning-rate",
    ),
    "unknown table": (["--config", "table.toml"], "trian.epochs: no such setting", "did you mean train.epochs"),
    "text for a number": (with_set("seed=x"), 'seed = "x": expected a whole number >= 0'),
    "number for a truth": (with_set("strategy.florg.align=1"), "strategy.florg.align = 1: expected true or false"),
    "list for a number": (
        ["--config", "list.toml"],
        "--config list.toml: seed = [1, 2]: expected a number",
        "write it as one text",
    ),
    "date for a number": (["--config", "date.toml"], "--config date.toml: seed = 2026-11-25: expected a number"),
    "out of range": (with_set("fraction-train=0"), "fraction-train = 0: expected a number > 0 and <= 1"),
    "unknown method": (with_set("strategy.name=flrog"), 'strategy.name = "flrog": expected florg | fedit | '),
    "setting of another method": (
        with_set("strategy.hetlora.gamma=0.5"),
        "strategy.hetlora.gamma = 0.5 belongs to method hetlora",
        "remove it, or set",
    ),
    "no value": (with_set("seed"), "--set seed: expected key=value"),
    "task without its rows": (with_set("task.name=text"), "task.path"),
    "rows that are not there": (with_set("task.name=text", "task.path=./nowhere"), "task.path", "nowhere"),
    "folder without rows": (with_set("task.name=text", "task.path=./empty"), "task.path", "empty", "train"),
    "rows without the column": ([*TEXT, *with_set("task.label-column=kind")], "kind", "label"),
    "setting of another task": (
        with_set("task.stride=64"),
        "task.stride is read by squad",
        'task.name = "tiny"; remove it',
    ),
    "answers of a task that has none": (
        with_set("evaluate.generate-rows=5"),
        "evaluate.generate-rows is read by dolly",
        "remove it",
    ),
    "folder of no model": (with_set("model.name=./empty"), "model.name = ", "empty", "config.json"),
    "model that is not there": (
        with_set("model.name=/nowhere/model"),
        'model.name = "/nowhere/model": no such folder',
        "config.json",
    ),
    "quantised embedded model": (with_set("model.quantization=4bit"), 'model.quantization = "4bit"', '"none"'),
    "precision that no CPU has": (
        with_set("train.precision=float16", "client.device=cpu"),
        "train.precision = 'float16' needs a CUDA device",
        "use bfloat16 or float32",
    ),
    "start from nowhere": (
        with_set("adapter.start-from=/nowhere"),
        'adapter.start-from = "/nowhere": no such folder',
        "must be a local PEFT folder",
    ),
    "start as nothing": (
        with_set("adapter.start-as=merged"),
        'adapter.start-as = "merged" is read with adapter.start-from alone',
        "remove it",
    ),
    "output is a file": (["--output", "latin.toml"], "latin.toml cannot be made", "choose another --output"),
    "output that cannot be written": (
        ["--output", "/proc/florg"],
        "/proc/florg cannot be made",
        "choose another --output",
    ),
    "output with a run": (["--output", "old"], "old already holds a run; choose another --output"),
    "app that is broken": (["--app", "app"], "pyproject.toml is no TOML"),
    "clients of a deployment": (["--connection", "x", "--clients", "3"], "--inline and --clients are for simulations"),
    "misspelt task in a deployment": (
        ["--connection", "x", *with_set("task.name=sst2")],
        'task.name = "sst2"',
        '"glue/sst2"',
    ),
    "going on with nothing": (with_set("resume-from=/nowhere"), "/nowhere"),
    "negative alpha": (with_set("partition.alpha=-1"), "partition.alpha = -1: expected a number > 0"),
    "clients by a column without one": (with_set("partition.name=natural-id"), "partition.column"),
    "scores without rows for them": (
        with_set("evaluate.on-clients=true"),
        "evaluate.on-clients = true needs rows",
        "set partition.holdout above 0",
    ),
    "files of clients that are not there": (
        with_set("task.name=text", "task.client-files=./nowhere"),
        "task.client-files",
        "nowhere",
    ),
    "smallest part larger than all": (
        with_set("partition.min-size=1000000"),
        "partition.min-size = 1000000",
        "lower partition.min-size",
    ),
    "quorum above the clients": (
        with_set("min-uploads=9"),
        "min-uploads = 9 can skip every round",
        "lower min-uploads",
    ),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with files such as people have."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "broken.toml").write_text("seed = \n")
    (folder / "latin.toml").write_bytes("# Größe\nseed = 2\n".encode("latin-1"))
    (folder / "table.toml").write_text("[trian]\nepochs = 2\n")
    (folder / "list.toml").write_text("seed = [1, 2]\n")
    (folder / "date.toml").write_text("seed = 2026-11-25\n")
    for name in ("rows", "empty", "old", "app"):
        (folder / name).mkdir()
    (folder / "app/pyproject.toml").write_text("[tool.flwr.app\n")
    (folder / "rows/train.csv").write_text("text,label\n" + "it heals,well\nit hurts,ill\n" * 40)
    (folder / "rows/validation.csv").write_text("text,label\nit heals,well\nit hurts,ill\n")
    (folder / "old/history.jsonl").write_text('{"round": 0}\n{"round": 1}\n')
    return folder


@pytest.mark.parametrize("typed", ["simulation", "inline"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_before_the_run_with_status_2_and_one_message(mistake, typed, place, monkeypatch):
    def begun(*_):
        raise AssertionError("the run was begun")

    for engine in ("run_inline", "run_simulated", "run_remote"):
        monkeypatch.setattr(experiment, engine, begun)
    monkeypatch.chdir(place)
    arguments, *words = MISTAKES[mistake]
    inline = ["--inline"] if typed == "inline" and "--connection" not in arguments else []
    result = CliRunner().invoke(app, ["run", *inline, *arguments])
    assert result.exit_code == 2, (result.output, result.exception)
    assert [word for word in words if word not in result.stderr] == [], result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert not (place / "runs").exists()


def test_there_are_as_many_mistakes_as_people_make():
    assert len(MISTAKES) >= 32
