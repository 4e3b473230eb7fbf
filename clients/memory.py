"""What one client keeps to itself between rounds: in Flower's Context.state and, where wanted, on its own disk.

Context.state lives in the memory of the SuperNode and ends with it, hence the disk. Each client's Context is its own,
also where simulated clients share a process.
"""

import json
from collections.abc import Iterator, Mapping
from logging import ERROR, WARNING
from pathlib import Path
from urllib.parse import quote

import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from clients.sealed_tensors import DamagedError, load_sealed, save_sealed
from strategies.exchange.lineage import RoundContext
from strategies.exchange.wire import Malformed, RefusalError, pack, unpack
from strategies.logger import log
from strategies.state import Shapes, State

TENSORS = "memory"
"""The record of Context.state with float32 tensors of one or more rounds; beside it "memory-owner": whose."""

STATE_DIR = "FLORG_STATE_DIR"
"""Environment variable with the `state-dir` of simulated clients, whose node configuration Flower makes."""

_ROUNDS = "rounds"

Found = tuple[Mapping[str, Array], Mapping[str, object]]
"""Remembered arrays under "round/group/symbol", and their owner with the attempt that made each round."""

Rounds = dict[int, tuple[str, dict[str, Array]]]
"""Round -> the attempt that made it, and the arrays under the wire's keys."""


def store_file(folder: str | Path, client: str) -> Path:
    """Where the client of this name keeps its copy; no two names share a file."""
    return Path(folder) / f"{quote(client, safe='')}.safetensors"


class ClientStore:
    """The tensors named by `shapes`, which belong to `owner`: a run, a manifest, a model, a partition.

    What was remembered for another owner or is incomplete is discarded, and the log says why; a damaged file is
    refused, since a client that silently began anew would bend the run, but for round 1, which needs none. The
    `file` is read only where Context.state has nothing of use: after a restart of the SuperNode. A client with several
    memories gives each its own `record` of Context.state and its own file.

    Rounds back to the server's oldest checkpoint are kept, since a resumed run repeats what came after one; what an
    attempt made that the run gave up is discarded like a stranger's.
    """

    def __init__(
        self,
        context_state: RecordDict,
        shapes: Shapes,
        owner: Mapping[str, str],
        moment: RoundContext,
        file: Path | None = None,
        record: str = TENSORS,
    ):
        self._records, self._shapes, self._owner, self._file = context_state, shapes, dict(owner), file
        self._lineage, self._t = moment.lineage, moment.t
        self._tensors_record, self._owner_record = record, f"{record}-owner"
        self._earlier: Rounds = {}

    @property
    def shapes(self) -> Shapes:
        """What is kept, by key."""
        return self._shapes

    def load(self) -> State | None:
        """What this owner remembered last before this round of the run; None before its first time.

        Raises RefusalError where the file is needed and damaged.
        """
        if not self._shapes:
            return None
        for place, found in self._places():
            rounds = found if isinstance(found, Malformed) else self._accept(*found)
            state = rounds if isinstance(rounds, Malformed) else self._newest(rounds)
            if isinstance(state, Malformed):
                log(WARNING, "what %s remembers is discarded: %s", place, state.reason)
            elif not isinstance(rounds, Malformed):
                self._earlier = rounds
                return state
        return None

    def save(self, state: State) -> None:
        """Keep the tensors as of the end of the round, beside what `load` found and a resumed run may still need.

        Raises OSError, with Context.state unchanged, where the disk fails.
        """
        if not self._shapes:
            return
        needed = self._lineage.needed([*self._earlier, self._t])
        rounds = {**self._earlier, self._t: (self._lineage.current, dict(pack(state, self._shapes)))}
        arrays = {f"{r}/{key}": array for r in needed for key, array in rounds[r][1].items()}
        owner = {**self._owner, _ROUNDS: json.dumps({r: rounds[r][0] for r in needed})}
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            save_sealed(self._file, {key: torch.from_numpy(array.numpy()) for key, array in arrays.items()}, owner)
        self._records[self._tensors_record] = ArrayRecord(arrays)
        self._records[self._owner_record] = ConfigRecord(dict(owner))

    def _places(self) -> Iterator[tuple[str, Found | Malformed]]:
        """Every place that holds something, the surest first."""
        arrays, owners = self._records.array_records, self._records.config_records
        if self._tensors_record in arrays and self._owner_record in owners:
            yield "Context.state", (arrays[self._tensors_record], owners[self._owner_record])
        if self._file is not None and self._file.exists():
            yield str(self._file), self._read(self._file)

    def _read(self, file: Path) -> Found | Malformed:
        """The file's. Raises RefusalError where it is damaged and may be what this run goes on from."""
        found = read_store(file)
        if isinstance(found, Malformed) and self._t > 1:
            log(ERROR, "what this client keeps in %s is damaged: %s", file, found.reason)
            raise RefusalError(
                f"what this client keeps in {file.name} is damaged: {found.reason}; restore the file, or remove it to "
                "have the client begin anew"
            )
        return found

    def _accept(self, arrays: Mapping[str, Array], owner: Mapping[str, object]) -> Rounds | Malformed:
        """The rounds before this one, if they are this owner's and some of them this lineage's."""
        for part, mine in self._owner.items():
            if owner.get(part) != mine:
                return Malformed(f"it belongs to {part} {owner.get(part)}, this is {part} {mine}")
        made = made_rounds(owner)
        usable = [r for r, attempt in made.items() if r < self._t and self._lineage.made(attempt, r)]
        if not usable:
            return Malformed(
                f"it holds rounds {sorted(made)}, and none of them leads to round {self._t} of the resumed run"
            )
        return {r: (made[r], {k: arrays[f"{r}/{k}"] for k in self._shapes if f"{r}/{k}" in arrays}) for r in usable}

    def _newest(self, rounds: Rounds) -> State | Malformed:
        _, arrays = rounds[max(rounds)]
        return unpack(ArrayRecord(arrays), self._shapes)


def read_store(file: Path) -> Found | Malformed:
    """What a client's file holds, or why it cannot be used."""
    try:
        tensors, owner, _ = load_sealed(file)
    except DamagedError as error:
        return Malformed(f"it cannot be read ({error})")
    return {key: Array(tensor.numpy()) for key, tensor in tensors.items()}, owner


def made_rounds(owner: Mapping[str, object]) -> dict[int, str]:
    """Round -> the attempt that made it, as the owner of remembered tensors says; {} where it does not."""
    try:
        made = json.loads(str(owner.get(_ROUNDS, "{}")))
        return {int(t): str(attempt) for t, attempt in made.items()}
    except (ValueError, AttributeError, RecursionError):
        return {}
