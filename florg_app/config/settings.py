"""Every setting of the application: its type, its range and its default; [tool.flwr.app.config] holds the same list."""

from typing import Annotated, Literal

from annotated_types import Gt, Le
from pydantic import InstanceOf, model_validator

from florg_app.config.best_settings import Metric, StopSettings, check_best
from florg_app.config.client_ranks import Ranks, check_ranks
from florg_app.config.compatibility import (
    check_client_files,
    check_moments,
    check_quorum,
    check_schedule,
    check_scored_rows,
)
from florg_app.config.flat import Unset
from florg_app.config.gradient_start import check_gradient_start
from florg_app.config.partition_settings import PartitionSettings
from florg_app.config.protection import (
    PrivacySettings,
    RobustSettings,
    check_privacy,
    check_robust,
    check_upload,
    weighting_of,
)
from florg_app.config.report_settings import ReportSettings
from florg_app.config.section import (
    Count,
    Device,
    DType,
    FolderPath,
    Names,
    NonEmpty,
    Number,
    Positive,
    Quantization,
    Resumable,
    Section,
    Share,
)
from florg_app.config.secure_sum import check_secure_sum, fewest_asked
from florg_app.config.server_optimizer import check_server_optimizer
from florg_app.config.strategy_settings import StrategySettings
from florg_app.config.task_settings import TaskSettings
from florg_app.config.train_settings import TrainSettings
from strategies.method import Method


class AdapterSettings(Section, frozen=True):
    rank: Number = 4
    """The largest of any client, and the server's."""
    client_ranks: Ranks = ()
    """The client of partition p has the rank at place p modulo their number; () = all have `rank`."""
    alpha: Positive = 16.0
    """The scale of dW is alpha / rank, for clients of any rank."""
    dropout: Share = 0.0
    targets: Names = ()
    """Name patterns of the adapted layers; () = query and value projections of the model family."""
    start_from: Annotated[FolderPath | None, Unset("", "the method's own start")] = None
    """PEFT folder of a LoRA adapter of `model.name` with which round 1 begins."""
    start_as: Literal["factors", "merged"] = "factors"
    """The method's own factors begin as that adapter, or nearest to it; or it is a part of W0 on every node."""
    start: Literal["method", "gradient"] = "method"
    """Of A, in methods whose A begins uniform and is sent: as theirs, or along the clients' mean gradient at W0."""


class StartSettings(Section, frozen=True):
    """Of round 0, in which clients send sketches of their gradients."""

    rows: Number = 256
    """The most rows of a client, drawn from the seed, of whose mean loss its gradient is."""
    columns: Count = 0
    """Of a sketch, at least adapter.rank; 0 = twice that."""


class ModelSettings(Section, frozen=True):
    name: NonEmpty = "tiny"
    """"tiny" (embedded), a hub name, or a local folder."""
    dtype: DType = "float32"
    """Of the frozen backbone."""
    quantization: Quantization = "none"
    """Of the frozen backbone's linear layers, by bitsandbytes; dtype is then that of everything else."""
    trust_remote_code: bool = False
    """Run Python that comes with the model."""


class EvaluateSettings(Section, frozen=True):
    every: Count = 1
    """Rounds between central evaluations; 0 = never."""
    rows: Literal["validation", "union-held-out"] = "validation"
    """Of the central evaluation: the task's own, or what all clients hold out, where the server can read that."""
    batch_size: Number = 64
    on_clients: bool = False
    """Clients score the received model, with what they keep themselves, within the train message."""
    client_rows: Literal["held-out", "validation"] = "held-out"
    """What they score it on: rows of their own that they do not train on, or the task's validation rows, where every
    client has them, to compare with methods that the server can score."""
    generate_rows: Annotated[Count | None, Unset(-1, "all rows")] = 0
    """Rows for which a language model writes a response, to be compared with theirs; generating takes its time."""


class CheckpointSettings(Section, frozen=True):
    every: Number = 1
    """Rounds between checkpoints; the last round always has one."""
    keep: Number = 2
    """How many of the newest are kept."""
    best: Metric = ""
    """The score by which the best round's state is kept beside them."""


class ServerSettings(Section, frozen=True):
    device: Device = "auto"
    diagnostics: bool = True
    """Aggregation error, drift and spectra, per round and group."""


class ClientSettings(Section, frozen=True):
    device: Device = "auto"
    threads: Count = 0
    """torch threads of a client; 0 = torch's default."""


class MeasureSettings(Section, frozen=True):
    costs: bool = False
    """Operations (FLOPs) of clients' training and of the server's combination, and its peak memory; slows both."""


class Settings(Section, frozen=True):
    """All settings of a run, checked. Made by `config.parse`."""

    num_server_rounds: Count = 10
    """0: the model is scored and kept as it begins."""
    seed: Count = 1
    output_dir: Annotated[FolderPath | None, Unset("", "runs/ in the server's working directory")] = None
    resume_from: Annotated[Resumable | None, Unset("", "a new run")] = None
    fraction_train: Annotated[float, Gt(0), Le(1)] = 1.0
    """Share of the clients sampled each round."""
    min_clients: Number = 1
    """Clients that must be connected before round 1."""
    min_uploads: Number = 1
    """Accepted uploads without which a round is skipped."""
    max_skipped: Number = 3
    """Skipped rounds in a row that end the run."""
    round_timeout: Positive = 3600.0
    """Seconds a round waits for its replies."""
    wait_timeout: Positive = 600.0
    """Seconds to wait for `min_clients`."""
    strategy: StrategySettings = StrategySettings()
    adapter: AdapterSettings = AdapterSettings()
    start: StartSettings = StartSettings()
    model: ModelSettings = ModelSettings()
    task: TaskSettings = TaskSettings()
    partition: PartitionSettings = PartitionSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    stop: StopSettings = StopSettings()
    report: ReportSettings = ReportSettings()
    server: ServerSettings = ServerSettings()
    client: ClientSettings = ClientSettings()
    measure: MeasureSettings = MeasureSettings()
    robust: RobustSettings = RobustSettings()
    privacy: PrivacySettings = PrivacySettings()
    method: InstanceOf[Method]
    """`strategy.name` with its own settings."""

    @model_validator(mode="after")
    def _go_together(self) -> "Settings":
        weighting = weighting_of(self.strategy.weighting, self.method)
        check_quorum(self.min_uploads, self.min_clients, self.fraction_train, self.seed)
        check_moments(self.train.optimizer_state, self.method)
        check_schedule(self.train.schedule, self.train.warmup_rounds, self.num_server_rounds)
        check_ranks(self.adapter.client_ranks, self.adapter.rank, self.method)
        check_scored_rows(
            self.evaluate.on_clients, self.evaluate.client_rows, self.evaluate.rows, self.partition.holdout
        )
        check_best(self.checkpoint.best, self.stop, self.evaluate.every, self.evaluate.on_clients, self.method)
        check_client_files(self.task.client_files, self.partition)
        fewest = fewest_asked(self.min_clients, self.fraction_train, self.seed)
        upload, scores = self.strategy.upload, self.evaluate.on_clients
        check_secure_sum(self.privacy, self.robust, self.method, weighting, upload, scores, fewest)
        check_upload(upload, self.method, weighting)
        check_server_optimizer(self.strategy, self.method)
        check_robust(self.robust, self.method, weighting)
        check_gradient_start(
            self.adapter.start, self.adapter.start_from is not None, self.start.columns, self.adapter.rank, self.method
        )
        check_privacy(self.privacy, self.robust, self.method, weighting, self.evaluate.on_clients)
        return self
