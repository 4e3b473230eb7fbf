"""Comparisons whose cells are not trained: workers write what a run would have left, in milliseconds."""

import json
import os
import time
from pathlib import Path

CALLS = "calls"
"""One line per cell that a worker began."""


def fake_run(job) -> str:
    """Succeeds but for fedit, whose seed 1 takes its process with it, and fedprox, which raises."""
    note(job)
    name, seed = job.config["strategy.name"], job.config["seed"]
    if name == "fedit" and seed == 1:
        os._exit(9)
    if name == "fedprox":
        raise RuntimeError("no luck")
    leave_run(job.folder, job.config, [0.1 * seed, 0.2 * seed])
    return ""


def slow_run(job) -> str:
    """Does not end by itself."""
    (job.app / CALLS).write_text(f"{os.getpid()}\n")
    while True:
        time.sleep(60)


def tuned_run(job) -> str:
    """The smaller rate is better for florg, both are equal for ffa-lora, fedprox fails at all."""
    note(job)
    name, rate = job.config["strategy.name"], job.config["train.learning-rate"]
    if name == "fedprox":
        raise RuntimeError("no luck")
    score = 0.5 if name == "ffa-lora" else 1 - rate
    scored = {"own": [0.0, score, score]} if job.folder.parts[-4] == "tuning" else {}
    leave_run(job.folder, job.config, [0.3], **scored)
    return ""


def note(job) -> None:
    """Leave a line for a cell that a worker began."""
    with (job.app / CALLS).open("a") as file:
        file.write(f"{job.config['strategy.name']} {job.config['seed']}\n")


def leave_run(folder: Path, config, scores, own=()) -> None:
    """The files of a completed run: the server's scores by round, and the clients'."""
    folder.mkdir(parents=True, exist_ok=True)
    records = [{"round": t, "evaluation": {"accuracy": score}} for t, score in enumerate(scores)]
    records += [{"round": t, "own": {"mean": {"accuracy": score, "loss": score}}} for t, score in enumerate(own, 1)]
    (folder / "history.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    name, last = ("own-accuracy", own[-1]) if own else ("accuracy", scores[-1])
    summary = {"status": "completed", "reason": "", "settings": dict(config), "final": {"round": 1, name: last}}
    (folder / "summary.json").write_text(json.dumps(summary))


def begun(app: Path) -> list[str]:
    """The method and seed of each cell that was begun, in order."""
    path = app / CALLS
    return path.read_text().splitlines() if path.exists() else []
