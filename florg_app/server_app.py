"""The ServerApp: puts the server's parts together and runs the federation."""

import time
from dataclasses import replace
from logging import ERROR, WARNING

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from clients.device import peak_memory_bytes, resolve_device
from florg_app.assembly import assemble
from florg_app.checkpoints import checkpoint_file
from florg_app.checkpoints.manager import CheckpointManager
from florg_app.checkpoints.run_checkpoint import RunCheckpoint, run_metadata
from florg_app.client_side.reply import mechanism_of
from florg_app.config.parse import parse_settings
from florg_app.config.protection import weighting_of
from florg_app.config.settings import Settings
from florg_app.reports.report import Report, note
from florg_app.server_side import start
from florg_app.server_side.census import num_partitions
from florg_app.server_side.evaluation import CentralEvaluation
from strategies.exchange.lineage import Lineage
from strategies.protection.privacy import PrivacyLedger
from strategies.protection.robust import Robustness
from strategies.server.round_policy import Policy
from strategies.server.round_record import RoundRecord
from strategies.server.strategy import FederatedAdapters
from strategies.state import State, select

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    serve(grid, parse_settings(context.run_config))


def serve(grid: Grid, settings: Settings) -> None:
    """Run the whole federation, or what is left of it; the report is in `output-dir`, also of a failing run.

    Raises ValueError before anything is written where the settings or the checkpoint of `resume-from` are unusable.
    """
    with start.opened_run(settings) as (report, lineage, saved):
        _serve(grid, settings, report, lineage, saved)


def _serve(grid: Grid, settings: Settings, report: Report, lineage: Lineage, saved: RunCheckpoint | None) -> None:
    paths = {"checkpoint": checkpoint_file.CHECKPOINT_FILE}
    try:
        _run(grid, settings, report, lineage, saved)
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        status, reason = ("stopped", "interrupted") if stopped else ("failed", f"{type(error).__name__}: {error}")
        try:
            report.finish(status, reason, paths)
        except OSError as disk:  # the reason of the end is worth more than that of the missing summary
            note(f"the summary could not be written: {disk}", ERROR)
        raise
    report.finish("completed", paths=paths)


def _run(grid: Grid, settings: Settings, report: Report, lineage: Lineage, saved: RunCheckpoint | None) -> None:
    device, start = resolve_device(settings.server.device, "server.device"), time.monotonic()
    assembly = assemble(settings, device)
    load_seconds = time.monotonic() - start
    keeper = CheckpointManager(report.output_dir, settings.checkpoint.every, settings.checkpoint.keep)
    evaluate = CentralEvaluation(
        assembly, settings, lambda: num_partitions(grid, settings.min_clients, settings.wait_timeout)
    )

    def header(t: int) -> dict[str, str]:
        return run_metadata(assembly, settings, t, federation.lineage, federation.bookkeeping, report.seconds)

    def on_round(record: RoundRecord) -> None:
        t, record.no_evaluation = record.t, evaluate.refusal
        record.peak_memory_bytes = peak_memory_bytes(device)
        report.round(record.as_dict())
        keeper.after_round(t, federation.state, header(t), last=t == settings.num_server_rounds)
        federation.lineage = replace(federation.lineage, oldest=keeper.oldest)

    mechanism = mechanism_of(settings.privacy)
    private = PrivacyLedger(mechanism) if mechanism else None
    federation = FederatedAdapters(
        settings.method,
        assembly.manifest,
        saved.state if saved else select(assembly.initial_state, assembly.manifest.held),
        assembly.identity,
        lineage,
        _policy(settings),
        device,
        diagnostics=assembly.fixed if settings.server.diagnostics else None,
        on_round=on_round,
        bookkeeping=saved.bookkeeping if saved else None,
        private=private,
    )
    keeper.check_room(federation.state)
    federation.summary()
    if evaluate.refusal:
        note(evaluate.refusal, WARNING)
    begun = saved.round if saved else 0
    if saved is None:
        record = _before_training(evaluate, federation.state)
        record.seconds["load"], record.peak_memory_bytes = load_seconds, peak_memory_bytes(device)
        report.round(record.as_dict())
        if skipped := assembly.data.skipped("validation"):
            note(f"task.bad-rows = skip: {skipped} validation rows are left out as bad", WARNING)
    keeper.begin(begun, federation.state, header(begun))
    federation.lineage = replace(federation.lineage, oldest=keeper.oldest)
    if begun == settings.num_server_rounds:  # the run was ended between its last checkpoint and its summary
        return
    with keeper.closing():
        federation.run(grid, range(begun + 1, settings.num_server_rounds + 1), evaluate)


def _before_training(evaluate: CentralEvaluation, state: State) -> RoundRecord:
    begun = time.monotonic()
    record = RoundRecord(0, [], evaluation=evaluate(0, state), no_evaluation=evaluate.refusal)
    record.seconds["evaluate"] = time.monotonic() - begun
    return record


def _policy(settings: Settings) -> Policy:
    robust = settings.robust
    return Policy(
        fraction_train=settings.fraction_train,
        min_clients=settings.min_clients,
        min_uploads=settings.min_uploads,
        max_skipped=settings.max_skipped,
        round_timeout=settings.round_timeout,
        wait_timeout=settings.wait_timeout,
        weighting=weighting_of(settings.strategy.weighting, settings.method),
        upload=settings.strategy.upload,
        robust=Robustness(robust.norm_bound, robust.combine, robust.trim),
        evaluate_on_clients=settings.evaluate.on_clients,
        client_ranks=settings.adapter.client_ranks,
        measure_costs=settings.measure.costs,
    )
