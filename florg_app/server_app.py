"""The ServerApp: puts the server's parts together and runs the federation."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from logging import ERROR, WARNING

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from clients.device import ResettablePeak, peak_memory_bytes, resolve_device
from florg_app.assembly import assemble
from florg_app.checkpoints import checkpoint_file
from florg_app.checkpoints.best import BEST_FILE, BestKeeper
from florg_app.checkpoints.manager import CheckpointManager
from florg_app.checkpoints.run_checkpoint import RunCheckpoint, run_metadata
from florg_app.client_side.reply import mechanism_of
from florg_app.config.gradient_start import begins_from_gradient
from florg_app.config.parse import ConfigError, parse_settings
from florg_app.config.settings import Settings
from florg_app.reports.best_round import unknown_metric
from florg_app.reports.report import FAILED_LINE, Report, note
from florg_app.server_side import start
from florg_app.server_side.census import Census
from florg_app.server_side.ends import FORESEEN, early_end, require_counted
from florg_app.server_side.evaluation import CentralEvaluation
from florg_app.server_side.muster import muster
from florg_app.server_side.round_zero import begin_from_gradient
from florg_app.server_side.rules import policy_of
from florg_app.server_side.simulated_grid import watched
from florg_app.start_adapter import distance_in_words
from strategies.exchange.lineage import Lineage
from strategies.protection.privacy import PrivacyLedger
from strategies.server.roster import Roster
from strategies.server.round_record import RoundRecord
from strategies.server.strategy import FederatedAdapters

app = ServerApp()

SUMS_ALONE = (
    "privacy.secure-sum: the server sees sums alone; clients report no losses, times or counts, and the diagnostics "
    "have no aggregation-error"
)


@app.main()
def main(grid: Grid, context: Context) -> None:
    serve(watched(grid), parse_settings(context.run_config))


def serve(grid: Grid, settings: Settings) -> None:
    """Run the whole federation, or what is left of it; the report is in `output-dir`, also of a failing run.

    Raises ValueError before anything is written where the settings or the checkpoint of `resume-from` are unusable, and
    NothingCountedError where all rounds were skipped.
    """
    try:
        with start.opened_run(settings) as (report, lineage, saved):
            _serve(grid, settings, report, lineage, saved)
    except FORESEEN as error:
        for line in str(error).splitlines():
            note(f"{FAILED_LINE}{line}", ERROR)
        raise


def _serve(grid: Grid, settings: Settings, report: Report, lineage: Lineage, saved: RunCheckpoint | None) -> None:
    paths = {"checkpoint": checkpoint_file.CHECKPOINT_FILE}
    try:
        run = ServerRun(grid, settings, report, lineage, saved)
        run.run()
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        status, reason = ("stopped", "interrupted") if stopped else ("failed", f"{type(error).__name__}: {error}")
        try:
            report.finish(status, reason, paths)
        except OSError as disk:  # the reason of the end is worth more than that of the missing summary
            note(f"the summary could not be written: {disk}", ERROR)
        raise
    if (report.output_dir / BEST_FILE).exists():
        paths["best"] = BEST_FILE
    report.finish("completed", paths=paths, ended_early=run.ended_early)


class ServerRun:
    """One attempt at a run on the server: its model, strategy, checkpoints and report at work together."""

    def __init__(
        self, grid: Grid, settings: Settings, report: Report, lineage: Lineage, saved: RunCheckpoint | None
    ) -> None:
        """`saved` is the checkpoint to go on from; None: a new run."""
        self._grid, self._settings, self._report = grid, settings, report
        self._is_new, self._begun = saved is None, saved.round if saved else 0
        self._device = resolve_device(settings.server.device, "server.device")
        begun = time.monotonic()
        self._assembly = assemble(settings, self._device)
        self._load_seconds = time.monotonic() - begun
        self._checkpoints = CheckpointManager(report.output_dir, settings.checkpoint.every, settings.checkpoint.keep)
        self._best = BestKeeper(report.output_dir, settings.checkpoint.best, self._begun, report.records)
        self.ended_early = early_end(report.records, settings)
        """Why the run has fewer rounds than planned; empty while it has not ended so."""
        self._roster = Roster()
        self._evaluate = CentralEvaluation(self._assembly, settings, lambda: self._census.num_partitions())
        mechanism = mechanism_of(settings.privacy)
        self._federation = FederatedAdapters(
            settings.method,
            self._assembly.manifest,
            saved.state if saved else self._assembly.initial_state.select(self._assembly.manifest.held),
            self._assembly.identity,
            lineage,
            policy_of(settings),
            self._device,
            diagnostics=self._assembly.fixed if settings.server.diagnostics else None,
            on_round=self._after_round,
            bookkeeping=saved.bookkeeping if saved else None,
            private=PrivacyLedger(mechanism) if mechanism else None,
            memory=ResettablePeak(self._device),
            roster=self._roster,
        )

    def run(self) -> None:
        """Score the initial model of a new run, then train round by round; all of it is on the disk at the end."""
        for line in self._assembly.notes:
            note(line, WARNING)
        self._checkpoints.check_room(self._federation.state)
        self._federation.summary()
        if self._evaluate.refusal:
            note(self._evaluate.refusal, WARNING)
        if self._settings.privacy.secure_sum:
            note(SUMS_ALONE)
        goes_on = self._begun < self._settings.num_server_rounds and not self.ended_early
        if goes_on:
            _ = self._census  # before any long work
        if self._is_new:
            self._before_training()
        state, header = self._federation.state, self._header(self._begun)  # round 0 may have made another one
        self._checkpoints.begin(self._begun, state, header)
        if self._is_new:
            self._best.after_round(self._report.records, state, header)
        self._best.begin(state, header)
        self._note_oldest()
        if goes_on:  # else it ended between its last checkpoint and its summary
            with self._checkpoints.closing():
                self._federation.run(self._grid, self._rounds(), self._evaluate)
            self._best.flush()
        require_counted(self._report.records, self._begun)

    def _rounds(self) -> Iterator[int]:
        """Number the rounds to come, up to the last one or until the score has ceased to get better."""
        for t in range(self._begun + 1, self._settings.num_server_rounds + 1):
            if self.ended_early:
                return
            yield t

    @cached_property
    def _census(self) -> Census:
        """What the nodes that take part say of themselves, asked once."""
        return muster(self._grid, self._roster, self._assembly, self._settings)

    def _before_training(self) -> None:
        record = (
            self._round_zero() if begins_from_gradient(self._settings.adapter.start, self._settings.method) else None
        )
        begun = time.monotonic()
        record = record or RoundRecord(0, [])
        record.evaluation = self._evaluate(0, self._federation.state)
        if (distance := self._assembly.start_distance) is not None:
            record.start_distance = distance
            note(distance_in_words(distance))
        record.seconds |= {"evaluate": time.monotonic() - begun, "load": self._load_seconds}
        self._record(record)
        if skipped := self._assembly.data.skipped("validation"):
            note(f"task.bad-rows = skip: {skipped} validation rows are left out as bad", WARNING)

    def _round_zero(self) -> RoundRecord:
        """Have the clients' gradients begin the run; the record of the round in which they were asked for them."""
        federation, settings = self._federation, self._settings
        federation.state, record = begin_from_gradient(
            self._grid,
            settings,
            self._assembly,
            federation.lineage,
            policy_of(settings),
            self._device,
            federation.state,
            federation.private,
            self._roster,
            lambda text: note(text, WARNING),
        )
        return record

    def _after_round(self, record: RoundRecord) -> None:
        """Report a round, write its checkpoint, and tell clients what they need not keep any longer."""
        self._record(record)
        for remark in record.remarks:
            note(f"round {record.t}: {remark}", WARNING)
        self.ended_early = early_end(self._report.records, self._settings)
        note(self.ended_early)
        last = record.t == self._settings.num_server_rounds or bool(self.ended_early)
        state, header = self._federation.state, self._header(record.t)
        self._checkpoints.after_round(record.t, state, header, last)
        self._best.after_round(self._report.records, state, header)
        self._note_oldest()

    def _record(self, record: RoundRecord) -> None:
        record.no_evaluation = self._evaluate.refusal
        record.peak_memory_bytes = peak_memory_bytes(self._device)
        self._report.round(record.as_dict())
        best = self._settings.checkpoint.best
        if best and (unknown := unknown_metric(self._report.records, best)):
            raise ConfigError(unknown)

    def _note_oldest(self) -> None:
        self._federation.lineage = replace(self._federation.lineage, oldest=self._checkpoints.oldest)

    def _header(self, t: int) -> dict[str, str]:
        """What the checkpoint of round t says beside the state."""
        federation = self._federation
        return run_metadata(
            self._assembly, self._settings, t, federation.lineage, federation.bookkeeping, self._report.seconds
        )
