"""Does what a method declares fit together? Asked before anything is made: a slip is a sentence and no KeyError."""

from collections.abc import Collection
from dataclasses import replace

from strategies.method import Method
from strategies.parametrisation import PARAMETRISATIONS
from strategies.plan import HELD, KEPT, Role
from strategies.state import Group, shaped_as

_ROUNDS = range(1, 13)
"""In which roles that change with the round are looked at."""

_ANY = Group(6, 5, ("layer",))
"""Symbols do not depend on the layers."""


def check_plan(method: Method) -> None:
    """Raise ValueError where the plan names an adapter that does not exist, or other symbols than its adapter has.

    What only the server holds is none of the adapter's: it is named after one, "A.momentum", whose shape it has.
    """
    adapter, roles = method.plan.adapter, method.plan.roles
    if adapter not in PARAMETRISATIONS:
        raise ValueError(
            f'strategy.name = "{method.name}": its plan has adapter = {adapter!r}, which is none of '
            f"{', '.join(PARAMETRISATIONS)}; take one of these, or add a line to PARAMETRISATIONS"
        )
    symbols = PARAMETRISATIONS[adapter].shapes(_ANY, 1)
    own = {symbol for symbol, role in roles.items() if role is Role.SERVER}
    named_after = {symbol for symbol in own if symbol != shaped_as(symbol) and shaped_as(symbol) in symbols}
    said = [
        *_listed("without a role", symbols.keys() - roles),
        *_listed("not the adapter's", roles.keys() - symbols - own),
        *_listed(
            'held by the server alone, but not named after a symbol whose shape it has, as "A.momentum" is',
            own - named_after,
        ),
    ]
    if said:
        raise ValueError(
            f'strategy.name = "{method.name}": the roles of its plan do not fit its adapter {adapter!r}, whose symbols '
            f"are {', '.join(symbols)}: {'; '.join(said)}; give each symbol of the adapter one role in `plan`"
        )
    for t in _ROUNDS:
        _check_round(method, t)


def _check_round(method: Method, t: int) -> None:
    """Raise ValueError where the plan of round t has more than other roles for what travels anyway."""
    plan, now = method.plan, method.plan_at(t)
    lasting = [roles for roles in (HELD, KEPT, (Role.ONCE,)) if set(plan.named(*roles)) != set(now.named(*roles))]
    if lasting or replace(now, roles=plan.roles) != plan or (now != plan and not method.traits.roles_by_round):
        raise ValueError(
            f'strategy.name = "{method.name}": `plan_at({t})` changes more than which of the held symbols are trained, '
            "or the traits lack roles_by_round; change symbols between SHARED and PUSHED alone, and say so in `traits`"
        )


def check_made(method: Method, made: Collection[str]) -> None:
    """Raise ValueError where the symbols made before round 1 are not those that somebody holds by the plan."""
    plan = method.plan
    needed = set(plan.named(*HELD, *KEPT))
    said = [*_listed("not made", needed - set(made)), *_listed("of no role", set(made) - plan.roles.keys())]
    if said:
        raise ValueError(
            f'strategy.name = "{method.name}": `initial` and `from_weights` do not make what its plan has: '
            f"{'; '.join(said)}; make these there, or change their roles in `plan`"
        )


def _listed(what: str, symbols: Collection[str]) -> list[str]:
    return [f"{', '.join(sorted(symbols))} {what}"] if symbols else []
