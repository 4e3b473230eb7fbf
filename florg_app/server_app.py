"""The ServerApp: puts the server's parts together and runs the federation."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from logging import WARNING
from pathlib import Path
from uuid import uuid4

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from clients.device import resolve_device
from florg_app import checkpoint
from florg_app.assembly import Assembly, assemble
from florg_app.config import flatten, parse
from florg_app.evaluate import score
from florg_app.report import Report, note
from florg_app.settings import Settings
from strategies.federation import FederatedAdapters
from strategies.manifest import Manifest, State, select
from strategies.method import Role
from strategies.policy import Policy
from strategies.record import RoundRecord
from strategies.wire import RUN

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    serve(grid, parse(context.run_config))


def serve(grid: Grid, settings: Settings) -> None:
    """Run the whole federation. Report and checkpoint are in `output-dir` after every round, also of a failing run."""
    output_dir = settings.output_dir or Path("runs") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{settings.strategy.name}"
    report = Report(output_dir, flatten(settings))
    paths = {"checkpoint": checkpoint.FILE}
    try:
        _run(grid, settings, report)
    except KeyboardInterrupt:
        report.finish("stopped", "interrupted", paths)
        raise
    except BaseException as error:
        report.finish("failed", f"{type(error).__name__}: {error}", paths)
        raise
    report.finish("completed", paths=paths)


def _run(grid: Grid, settings: Settings, report: Report) -> None:
    device = resolve_device(settings.server.device, "server.device")
    assembly = assemble(settings, device)
    run_name = uuid4().hex[:16]

    def on_round(record: RoundRecord) -> None:
        record.no_evaluation = evaluate.refusal
        report.round(record.as_dict())
        checkpoint.save(
            report.output_dir / checkpoint.FILE,
            federation.state,
            _metadata(assembly, settings, record.t, run_name, federation.ranks),
        )

    federation = FederatedAdapters(
        settings.method,
        assembly.manifest,
        select(assembly.initial_state, assembly.manifest.held),
        {**assembly.identity, RUN: run_name},
        _policy(settings),
        device,
        diagnostics=assembly.fixed if settings.server.diagnostics else None,
        on_round=on_round,
    )
    evaluate = CentralEvaluation(assembly, settings)
    federation.summary()
    if evaluate.refusal:
        note(evaluate.refusal, WARNING)
    start = time.monotonic()
    first = RoundRecord(0, [], evaluation=evaluate(0, federation.state))
    first.seconds["evaluate"] = time.monotonic() - start
    if skipped := assembly.data.skipped("validation"):
        note(f"task.bad-rows = skip: {skipped} validation rows are left out as bad", WARNING)
    on_round(first)
    federation.run(grid, range(1, settings.num_server_rounds + 1), evaluate)


class CentralEvaluation:
    """Scores the global model on the task's validation rows in every `evaluate.every`-th round and in the last.

    Where clients keep a part of the model to themselves there is none, and `refusal` says so; empty otherwise.
    """

    def __init__(self, assembly: Assembly, settings: Settings) -> None:
        self._assembly, self._settings = assembly, settings
        self.refusal = "" if assembly.manifest.plan.has_global_model else _refusal(assembly.manifest, settings)

    def __call__(self, t: int, state: State) -> dict[str, float] | None:
        every = self._settings.evaluate.every
        if self.refusal or every == 0 or (t % every and t != self._settings.num_server_rounds):
            return None
        self._assembly.load(state, t + 1)
        return score(self._assembly, self._assembly.data.validation, self._settings)


def _refusal(manifest: Manifest, settings: Settings) -> str:
    own = ", ".join(manifest.shapes(Role.LOCAL))
    hint = "" if settings.evaluate.on_clients else "; evaluate.on-clients = true has each client score its own"
    return f"{manifest.method} has no global model to score, since clients keep {own} to themselves{hint}"


def _policy(settings: Settings) -> Policy:
    weighting = settings.strategy.weighting
    return Policy(
        fraction_train=settings.fraction_train,
        min_clients=settings.min_clients,
        min_uploads=settings.min_uploads,
        max_skipped=settings.max_skipped,
        round_timeout=settings.round_timeout,
        wait_timeout=settings.wait_timeout,
        weighting=settings.method.plan.weighting if weighting == "method" else weighting,
        evaluate_on_clients=settings.evaluate.on_clients,
        client_ranks=settings.adapter.client_ranks,
        measure_costs=settings.measure.costs,
    )


def _metadata(
    assembly: Assembly, settings: Settings, t: int, run_name: str, ranks: Mapping[int, int] | None = None
) -> dict[str, str]:
    """What rebuilds the model from a checkpoint and goes on with it: round, run, settings, layers, head, identity.

    ranks: by partition, where a client has come down from its own.
    """
    layers = {group.name: group.layers for group in assembly.manifest.groups}
    return {
        "round": str(t),
        "ranks": json.dumps(ranks or {}),
        RUN: run_name,
        "settings": json.dumps(flatten(settings)),
        "layers": json.dumps(layers),
        "head": json.dumps(assembly.manifest.head),
        "identity": json.dumps(assembly.identity),
        "plan": json.dumps(asdict(assembly.manifest.plan)),
    }
