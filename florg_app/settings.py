"""Every setting of the application: its type, its range and its default; [tool.flwr.app.config] holds the same list."""

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, Field, InstanceOf, Strict, model_validator

from florg_app.client_ranks import Ranks, check_ranks
from florg_app.flat import CommaSeparated, Unset, Words
from florg_app.protection import (
    PrivacySettings,
    RobustSettings,
    check_privacy,
    check_robust,
    check_upload,
    weighting_of,
)
from florg_app.section import Section
from florg_app.together import check_moments, check_own_rows, check_quorum
from strategies import METHODS
from strategies.method import Method
from strategies.uploads import UploadForm

Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Lt(1)]
Count = Annotated[int, Ge(0)]
Number = Annotated[int, Ge(1)]
Name = Annotated[str, Field(min_length=1), Words("a name")]
Folder = Annotated[Path, Strict(False)]
Resumable = Annotated[str, Words('"" (a new run) | latest | the path of a run\'s folder or checkpoint')]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$"), Words("auto | cpu | cuda | cuda:N")]
DType = Literal["float32", "bfloat16", "float16"]
MaxRows = Annotated[Number | None, Unset(-1, "all rows")]


def _known_method(name: str) -> str:
    if name not in METHODS:
        raise ValueError(f"choose one of {', '.join(METHODS)}")
    return name


class StrategySettings(Section, frozen=True):
    name: Annotated[str, AfterValidator(_known_method), Words(" | ".join(METHODS))] = "florg"
    weighting: Literal["method", "uniform", "examples"] = "method"
    """Aggregation weights: as the method's paper, 1 per client, or by number of training examples."""
    upload: UploadForm = "tensors"
    """What clients send: the tensors that they trained, or the summand that the method makes of them."""


class AdapterSettings(Section, frozen=True):
    rank: Number = 4
    """The largest of any client, and the server's."""
    client_ranks: Ranks = ()
    """The client of partition p has the rank at place p modulo their number; () = all have `rank`."""
    alpha: Positive = 16.0
    """The scale of dW is alpha / rank, for clients of any rank."""
    dropout: Share = 0.0
    targets: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], CommaSeparated()] = ()
    """Name patterns of the adapted layers; () = query and value projections of the model family."""


class ModelSettings(Section, frozen=True):
    name: Name = "tiny"
    """"tiny" (embedded), a hub name, or a local folder."""
    dtype: DType = "float32"
    """Of the frozen backbone."""


class TaskSettings(Section, frozen=True):
    name: Name = "tiny"
    """A key of `tasks.registry.TASKS`."""
    path: Annotated[Folder | None, Unset("", "the hub")] = None
    """Local folder with train and validation files."""
    max_length: Number = 128
    """Tokens of one example; longer ones are truncated."""
    max_train_rows: MaxRows = None
    max_validation_rows: MaxRows = None
    stride: Count = 32
    """Tokens that neighbouring windows of a long context share."""
    bad_rows: Literal["error", "skip"] = "error"
    """What a row of a local file does that the task cannot use: end the run, or be left out and counted."""
    text_columns: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], CommaSeparated()] = ()
    label_column: Name = "label"
    labels: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], CommaSeparated()] = ()
    """Names of the classes; () = those of the training file."""


class PartitionSettings(Section, frozen=True):
    name: Literal["iid", "dirichlet"] = "dirichlet"
    alpha: Positive = 0.5
    """Concentration of the Dirichlet distribution; small = each client has few of the classes."""
    min_size: Number = 8
    """Rows of the smallest client."""
    holdout: Share = 0.0
    """Share of a client's rows that it keeps for its own evaluation."""


class TrainSettings(Section, frozen=True):
    optimizer: Literal["adamw", "sgd"] = "adamw"
    optimizer_state: Literal["reset", "keep"] = "reset"
    """Whether each round begins with a fresh optimizer or each client goes on with its own of its last round: moments,
    step counts, GaLore's projectors. They stay in the coordinates of the factors that the client trained then."""
    learning_rate: Positive = 0.005
    head_learning_rate: Annotated[Positive | None, Unset(-1.0, "train.learning-rate")] = 0.05
    weight_decay: NonNegative = 0.0
    momentum: Share = 0.0
    warmup: Annotated[float, Ge(0), Le(1)] = 0.0
    """Share of the round's steps."""
    max_grad_norm: NonNegative = 1.0
    """0 = no clipping."""
    epochs: Number = 1
    max_steps: Annotated[Number | None, Unset(-1, "train.epochs decide")] = None
    """Optimizer steps of a round."""
    batch_size: Number = 16
    group_by_length: bool = False
    """Batches of rows of similar length: less padding, less mixed."""
    precision: DType = "float32"
    """Of the autocast, where the device has it."""

    @model_validator(mode="after")
    def _momentum_needs_sgd(self) -> "TrainSettings":
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(
                f'train.momentum = {self.momentum} has no effect with train.optimizer = "{self.optimizer}"; '
                'set it to 0.0, or train.optimizer = "sgd"'
            )
        return self


class EvaluateSettings(Section, frozen=True):
    every: Count = 1
    """Rounds between central evaluations; 0 = never."""
    batch_size: Number = 64
    on_clients: bool = False
    """Clients score the received model, with what they keep themselves, within the train message."""
    client_rows: Literal["held-out", "validation"] = "held-out"
    """What they score it on: rows of their own that they do not train on, or the task's validation rows, where every
    client has them, to compare with methods that the server can score."""


class CheckpointSettings(Section, frozen=True):
    every: Number = 1
    """Rounds between checkpoints; the last round always has one."""
    keep: Number = 2
    """How many of the newest are kept."""


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

    num_server_rounds: Number = 10
    seed: Count = 1
    output_dir: Annotated[Folder | None, Unset("", "runs/ in the server's working directory")] = None
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
    model: ModelSettings = ModelSettings()
    task: TaskSettings = TaskSettings()
    partition: PartitionSettings = PartitionSettings()
    train: TrainSettings = TrainSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
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
        check_ranks(self.adapter.client_ranks, self.adapter.rank, self.method)
        check_own_rows(self.evaluate.on_clients, self.evaluate.client_rows, self.partition.holdout)
        check_upload(self.strategy.upload, self.method, weighting)
        check_robust(self.robust, self.method, weighting)
        check_privacy(self.privacy, self.robust, self.method, weighting, self.evaluate.on_clients)
        return self
