"""The central evaluation: which rounds it scores, on which rows, and why there may be no model to score."""

from collections.abc import Callable
from functools import cached_property

from florg_app.assembly import Assembly, central_rows, score_model
from florg_app.config.settings import Settings
from florg_app.tasks.base import Features
from strategies.manifest import Manifest
from strategies.plan import Role
from strategies.state import State


class CentralEvaluation:
    """Scores the global model on the rows of `evaluate.rows` in every `evaluate.every`-th round and in the last.

    `num_clients` is called once at most. Where clients keep a part of the model to themselves there is no global one,
    and `refusal` says so; empty otherwise.
    """

    def __init__(self, assembly: Assembly, settings: Settings, num_clients: Callable[[], int]) -> None:
        self._assembly, self._settings, self._num_clients = assembly, settings, num_clients
        self.refusal = "" if assembly.manifest.plan.has_global_model else _refusal(assembly.manifest, settings)

    def __call__(self, t: int, state: State) -> dict[str, float] | None:
        every = self._settings.evaluate.every
        if self.refusal or every == 0 or (t % every and t != self._settings.num_server_rounds):
            return None
        self._assembly.load(state, t + 1)
        return score_model(self._assembly, self._rows, self._settings)

    @cached_property
    def _rows(self) -> Features:
        return central_rows(self._assembly.data, self._settings, self._num_clients)


def _refusal(manifest: Manifest, settings: Settings) -> str:
    own = ", ".join(manifest.shapes(Role.LOCAL))
    hint = "" if settings.evaluate.on_clients else "; evaluate.on-clients = true has each client score its own"
    return f"{manifest.method} has no global model to score, since clients keep {own} to themselves{hint}"
