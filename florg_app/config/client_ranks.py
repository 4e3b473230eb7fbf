"""The setting that gives clients ranks of their own: its type and what it must fit."""

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge
from pydantic import Strict

from florg_app.config.flat import CommaSeparated, Words
from strategies import METHODS
from strategies.method import Method

Ranks = Annotated[
    tuple[Annotated[int, Strict(False), Ge(1)], ...],
    CommaSeparated(),
    Words('comma-separated whole numbers >= 1, or "" (adapter.rank for all)'),
]


def check_ranks(ranks: Sequence[int], largest: int, method: Method) -> None:
    """Raise ValueError where the method has one rank for all, or a rank is above adapter.rank."""
    given = f'adapter.client-ranks = "{",".join(map(str, ranks))}"'
    if ranks and not method.traits.client_ranks:
        able = " | ".join(name for name, cls in METHODS.items() if cls().traits.client_ranks)
        raise ValueError(
            f'{given} is impossible with strategy.name = "{method.name}", whose clients have one rank; '
            f'set it to "", or strategy.name to {able}'
        )
    if ranks and max(ranks) > largest:
        raise ValueError(
            f"{given} has {max(ranks)}, above adapter.rank = {largest}, which is the largest of all clients; "
            "lower it, or raise adapter.rank"
        )
