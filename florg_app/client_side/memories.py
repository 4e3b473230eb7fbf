"""Which memories a client has of a run, whose they are, and where they lie."""

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flwr.app import Context
from torch.optim import Optimizer

from clients.memory import STATE_DIR, ClientStore, store_file
from clients.optimizer_state import kept_optimizer_state, optimizer_kind, state_shapes
from florg_app.assembly import Assembly
from florg_app.client_side.node import name_of_client
from strategies.exchange.lineage import RoundContext
from strategies.exchange.train_request import VERSION
from strategies.exchange.wire import PARTITION, RANK, RUN
from strategies.plan import Role

ONCE = "once"
"""The record of Context.state and the folder below `state-dir` of what the server sends once."""

REST = "rest"
"""The record of Context.state, the folder below `state-dir` and a part of the owner of what the last upload could not
carry."""

OPTIMIZER = "optimizer"
"""The record of Context.state, the folder below `state-dir` and the part of the owner of an optimizer's state."""


@dataclass(frozen=True)
class ClientStores:
    """The stores of one client; on its disk too where the node configuration, or this machine's environment, says so.

    Never a setting of the run: the server must not choose where on a client's disk something is written.
    """

    context: Context
    assembly: Assembly
    partition: int
    moment: RoundContext

    def tensors(self) -> ClientStore:
        """Open the store of LOCAL and REPORTED tensors, which the server never sends back."""
        return ClientStore(self.context.state, self.assembly.manifest.kept, self._owner, self.moment, self._file())

    def once(self, version: str) -> ClientStore:
        """Open the store of what the server sends once, of this version."""
        owner = {**self._owner, VERSION: version}
        return ClientStore(self.context.state, self.assembly.manifest.once, owner, self.moment, self._file(ONCE), ONCE)

    def rest(self) -> ClientStore:
        """Open the store of what the last upload could not carry of the tensors that clients share."""
        shapes = self.assembly.manifest.shapes(Role.SHARED)
        owner = {**self._owner, REST: "upload"}
        return ClientStore(self.context.state, shapes, owner, self.moment, self._file(REST), REST)

    def optimizer(
        self, optimizer: Optimizer, state: Literal["reset", "keep"], rank: int
    ) -> AbstractContextManager[None]:
        """Return a context in which a fresh optimizer goes on from its last round's state, or stays fresh ("reset").

        The moments of another rank are dropped: they would move rows that the client no longer has.
        """
        if state == "reset":
            return nullcontext()
        named = self.assembly.adapted.trained.flat
        owner = {**self._owner, OPTIMIZER: optimizer_kind(optimizer), RANK: str(rank)}
        shapes = state_shapes(optimizer, named)
        memory = ClientStore(self.context.state, shapes, owner, self.moment, self._file(OPTIMIZER), OPTIMIZER)
        return kept_optimizer_state(optimizer, named, memory)

    @property
    def _owner(self) -> dict[str, str]:
        identity = {"manifest": self.assembly.manifest.digest, "backbone": self.assembly.identity["backbone"]}
        return {RUN: self.moment.lineage.run, **identity, PARTITION: str(self.partition)}

    def _file(self, below: str = "") -> Path | None:
        name = name_of_client(self.context)
        folder = self.context.node_config.get("state-dir") or os.environ.get(STATE_DIR)
        return store_file(Path(str(folder)) / below, name) if folder else None
