"""The application for Python programs and notebooks: run, compare, and take up what a run made, as objects.

The names below are the public face of this package and stay as they are. Heavy modules are imported where they are
used: importing this module costs nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor, nn

    from florg_app.compare.report.results import Comparison

__all__ = ["Adapter", "RunFailedError", "RunResult", "compare", "load_adapter", "load_result", "run"]

DEFAULT_CLIENTS = 8
"""Simulated clients where nobody says how many."""

SettingValues = Mapping[str, bool | int | float | str]
"""Settings by their dotted keys, as in pyproject.toml: {"strategy.name": "fedit", "num-server-rounds": 3}."""


class RunFailedError(RuntimeError):
    """A run that ended before its last round; the message says why and where its folder lies."""


@dataclass(frozen=True)
class RunResult:
    """What a run has written, read back.

    Example:
        >>> result = RunResult(
        ...     folder=Path("runs/one"),
        ...     history=[{"round": 0, "evaluation": {"accuracy": 0.5}}, {"round": 1, "evaluation": {"accuracy": 0.75}}],
        ...     summary={"status": "completed"},
        ... )
        >>> result.scores("accuracy")
        {0: 0.5, 1: 0.75}
    """

    folder: Path
    """Absolute; holds history.jsonl, summary.json, curves.png and the newest checkpoint."""
    history: list[dict[str, Any]]
    """One record per round, round 0 (before training) first, with the keys of history.jsonl."""
    summary: dict[str, Any]
    """Status, settings, totals and best values, with the keys of summary.json."""

    def scores(self, metric: str) -> dict[int, float]:
        """Return the central evaluation's `metric` after each round that was scored.

        Raises:
            ValueError: Where no round has it; the message lists those that there are.
        """
        found = [(record["round"], record.get("evaluation") or {}) for record in self.history]
        scores = {t: evaluation[metric] for t, evaluation in found if metric in evaluation}
        if not scores:
            known = sorted({name for _, evaluation in found for name in evaluation})
            raise ValueError(f"no round of {self.folder} has a score named {metric!r}; there are: {known or 'none'}")
        return scores


@dataclass(frozen=True)
class Adapter:
    """What a run has learned: its model with the adapters in place, and the factors of every adapted layer."""

    model: "nn.Module"
    """The frozen backbone with adapters and task head, ready for a forward pass."""
    factors: "Mapping[str, tuple[Tensor, Tensor]]"
    """B' (o, m) and A' (m, i) by layer, float32, with the scale in B': dW = B' A'. Empty where dW is not low-rank."""
    round: int
    """The round after which the model was so."""
    notes: tuple[str, ...]
    """What differs from the run without making its model another one, such as another version of the code."""


def run(
    settings: SettingValues | None = None,
    *,
    clients: int | None = None,
    config: Sequence[Path | str] = (),
    output: Path | str | None = None,
    engine: Literal["inline", "simulation"] = "inline",
    threads_per_client: int = 1,
    gpus_per_client: float = 0.0,
    quiet: bool = False,
) -> RunResult:
    """Run one experiment to its end and return what it wrote.

    Args:
        settings: Values that win over `config`, by dotted key.
        clients: Number of simulated clients; a resumed run keeps its own. Default: 8.
        config: TOML files of settings, such as those of conf/; later ones win.
        output: New folder of the results. Default: runs/TIME-METHOD-ID below the working directory.
        engine: "inline" (server and clients in this process, one after another) or "simulation" (Flower with Ray).
        threads_per_client: CPU cores and torch threads of a client.
        gpus_per_client: Share of a GPU that a client of a simulation takes.
        quiet: Print nothing.

    Raises:
        ValueError: Unusable settings; names key, value and what is allowed, before anything has run.
        RunFailedError: The run began and did not end well.

    Example:
        >>> from florg_app.api import run
        >>> small = {"num-server-rounds": 1, "task.max-train-rows": 64, "task.max-validation-rows": 32}
        >>> result = run(small | {"train.max-steps": 1}, clients=2, output=folder / "run", quiet=True)
        >>> [record["round"] for record in result.history]
        [0, 1]
    """
    from florg_app.config.runconfig import find_app
    from florg_app.engines import ahead, experiment, resumed
    from florg_app.engines.launch import Simulation

    app = find_app(Path.cwd())
    assignments = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in (settings or {}).items()]
    prepared = experiment.prepare(
        app,
        [Path(file) for file in config],
        assignments,
        None if output is None else Path(output),
        threads=threads_per_client,
        remote=False,
        look=ahead.here(clients, DEFAULT_CLIENTS, threads_per_client, gpus_per_client),
    )
    size = resumed.num_clients(prepared.config, clients, DEFAULT_CLIENTS)
    say = (lambda text: None) if quiet else (lambda text: print(text, flush=True))
    play = {"inline": experiment.play_inline, "simulation": experiment.play_simulated}[engine]
    outcome = play(prepared, Simulation(size, threads_per_client, gpus_per_client), say)
    if outcome.status != "completed":
        reason = outcome.details or "Flower gives no reason"
        raise RunFailedError(f"the run {outcome.status}: {reason}; what there is lies in {prepared.folder}")
    return load_result(prepared.folder)


def load_result(folder: Path | str) -> RunResult:
    """Return what a finished run has written into its folder.

    Raises:
        ValueError: Where the folder holds no finished run.
    """
    from florg_app.reports.history import read_history
    from florg_app.reports.json_text import read_json_object
    from florg_app.reports.report import SUMMARY

    folder = Path(folder).absolute()
    try:
        summary = read_json_object(folder / SUMMARY)
        return RunResult(folder, read_history(folder), summary)
    except OSError as error:
        raise ValueError(f"{folder} holds no finished run: {error.filename}: {error.strerror}") from error


def load_adapter(folder: Path | str, device: str = "cpu") -> Adapter:
    """Return the model of a run's newest checkpoint with its adapters, and the factors of every adapted layer.

    Args:
        folder: The run's folder.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        ValueError: Where there is no usable checkpoint, the model cannot be loaded, it is not the run's own, or its
            clients keep a part of the model to themselves.
    """
    from clients.device import resolve_device
    from florg_app.checkpoints.load_run import load_run
    from florg_app.exports.peft_folder import layer_factors

    loaded = load_run(Path(folder), resolve_device(device, "device"))
    assembly = loaded.assembly
    factors = layer_factors(assembly.manifest, loaded.state, assembly.fixed) if loaded.is_low_rank else {}
    return Adapter(assembly.adapted.model, factors, loaded.round, loaded.notes)


def compare(
    matrix: Path | str,
    *,
    output: Path | str | None = None,
    settings: SettingValues | None = None,
    config: Sequence[Path | str] = (),
    jobs: int = 1,
    quiet: bool = False,
) -> "Comparison":
    """Run what a matrix of methods, variants and seeds still lacks, write its report, and return the results.

    Finished cells are never run again. The returned comparison names failed cells with their reasons.

    Args:
        matrix: TOML file, such as those of conf/compare/.
        output: Folder of the comparison, new or begun. Default: runs/NAME-OF-MATRIX below the working directory.
        settings: Values for all cells, which win over `config`, by dotted key.
        config: TOML files of settings for all cells; later ones win.
        jobs: Cells at a time, each in a process of its own.
        quiet: Print only what failed.

    Raises:
        ValueError: An unusable matrix or folder; says all that is wrong, before anything has run.
    """
    from florg_app.compare import steps
    from florg_app.compare.report.results import read_comparison
    from florg_app.config.runconfig import find_app

    matrix = Path(matrix)
    folder = (Path("runs") / matrix.stem if output is None else Path(output)).absolute()
    app = find_app(Path.cwd())
    assignments = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in (settings or {}).items()]
    planner = steps.plan_cells(app, matrix, [Path(file) for file in config], assignments)
    steps.run_missing(app, planner, folder, jobs=jobs, quiet=quiet)
    steps.report_comparison(folder, (lambda text: None) if quiet else print)
    return read_comparison(folder)
