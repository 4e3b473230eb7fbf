"""What one client keeps to itself between rounds: in Flower's Context.state and, where wanted, on its own disk.

Context.state lives in the memory of the SuperNode and ends with it, hence the disk. Each client's Context is its own,
also where simulated clients share a process.
"""

from collections.abc import Iterator, Mapping
from logging import WARNING
from pathlib import Path
from urllib.parse import quote

from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict
from flwr.common.logger import log
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from clients.files import write_atomically
from strategies.manifest import Shapes, State
from strategies.wire import Malformed, pack, unpack

TENSORS = "memory"
"""The record of Context.state with the tensors under the wire's keys, float32; beside it "memory-owner": whose."""

Found = tuple[ArrayRecord, Mapping[str, object]]
"""Remembered arrays and their owner."""


def memory_file(folder: str | Path, client: str) -> Path:
    """Where the client of this name keeps its copy; no two names share a file."""
    return Path(folder) / f"{quote(client, safe='')}.safetensors"


class Memory:
    """The tensors named by `shapes`, which belong to `owner`: a run, a manifest, a model, a partition.

    What was remembered for another owner, is incomplete or cannot be read is discarded, and the log says why. The
    `file` is read only where Context.state has nothing of use: after a restart of the SuperNode. A client with several
    memories gives each its own `record` of Context.state and its own file.
    """

    def __init__(
        self,
        context_state: RecordDict,
        shapes: Shapes,
        owner: Mapping[str, str],
        file: Path | None = None,
        record: str = TENSORS,
    ):
        self._records, self._shapes, self._owner, self._file = context_state, shapes, dict(owner), file
        self._tensors_record, self._owner_record = record, f"{record}-owner"

    def recall(self) -> State | None:
        """What this owner remembered last; None before its first time."""
        if not self._shapes:
            return None
        for place, found in self._places():
            state = found if isinstance(found, Malformed) else self._accept(*found)
            if not isinstance(state, Malformed):
                return state
            log(WARNING, "what %s remembers is discarded: %s", place, state.reason)
        return None

    def remember(self, state: State) -> None:
        """Keep the tensors until the next time. Raises OSError, with Context.state unchanged, where the disk fails."""
        if not self._shapes:
            return
        arrays = pack(state, self._shapes)
        if self._file is not None:
            tensors = {key: array.numpy() for key, array in arrays.items()}
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, lambda path: save_file(tensors, path, self._owner))
        self._records[self._tensors_record] = arrays
        self._records[self._owner_record] = ConfigRecord(dict(self._owner))

    def _places(self) -> Iterator[tuple[str, Found | Malformed]]:
        """Every place that holds something, the surest first."""
        arrays, owners = self._records.array_records, self._records.config_records
        if self._tensors_record in arrays and self._owner_record in owners:
            yield "Context.state", (arrays[self._tensors_record], owners[self._owner_record])
        if self._file is not None and self._file.exists():
            yield str(self._file), _read(self._file)

    def _accept(self, arrays: ArrayRecord, owner: Mapping[str, object]) -> State | Malformed:
        """The tensors, if they are this owner's and whole."""
        for part, mine in self._owner.items():
            if owner.get(part) != mine:
                return Malformed(f"it belongs to {part} {owner.get(part)}, this is {part} {mine}")
        return unpack(arrays, self._shapes)


def _read(file: Path) -> Found | Malformed:
    try:
        with safe_open(file, framework="numpy") as opened:
            arrays = {key: Array(opened.get_tensor(key)) for key in opened.keys()}  # noqa: SIM118 - not a dict
            return ArrayRecord(arrays), opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        return Malformed(f"it cannot be read ({error})")
