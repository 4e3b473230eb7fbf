"""Round 0 on the server: clients' gradient sketches are added up, and what the method makes of them begins the run."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from flwr.serverapp import Grid

from florg_app.assembly import Assembly
from florg_app.config.gradient_start import sketch_columns
from florg_app.config.settings import Settings
from strategies.exchange.lineage import Lineage
from strategies.protection.privacy import PrivacyLedger
from strategies.server.roster import Roster
from strategies.server.round_policy import Policy
from strategies.server.round_record import RoundRecord
from strategies.server.strategy import FederatedAdapters
from strategies.starts.sketch_round import ROUND_ZERO, begun_from_gradient, sketch_round
from strategies.state import State

Note = Callable[[str], None]


def begin_from_gradient(
    grid: Grid,
    settings: Settings,
    assembly: Assembly,
    lineage: Lineage,
    policy: Policy,
    device: torch.device,
    state: State,
    private: PrivacyLedger | None,
    roster: Roster,
    say: Note,
) -> tuple[State, RoundRecord]:
    """Return the state with which round 1 begins, and the record of round 0; `state` is that without a gradient.

    A round 0 that is skipped is tried again. Raises AggregationError after max-skipped times.
    """
    columns = sketch_columns(settings.start.columns, settings.adapter.rank)
    method, manifest = sketch_round(settings.method, assembly.manifest, columns)
    weighting = method.plan.weighting if policy.weighting == "norm" else policy.weighting
    rules = replace(
        policy,
        weighting=weighting,
        client_ranks=(),
        evaluate_on_clients=False,
        more_metrics=(),
        server_optimizer=None,
    )
    records: list[RoundRecord] = []
    federation = FederatedAdapters(
        method,
        manifest,
        State(),
        assembly.identity,
        lineage,
        rules,
        device,
        on_round=records.append,
        private=private,
        roster=roster,
    )
    while not records or records[-1].skipped:
        if records:
            say(f"round 0 was skipped: {records[-1].skipped}; it is tried again")
        federation.run(grid, [ROUND_ZERO], _no_scores)
    return begun_from_gradient(settings.method, assembly.manifest, columns, state, federation.state), records[-1]


def _no_scores(t: int, state: State) -> Mapping[str, float] | None:
    """Sketches make no model."""
    return None
