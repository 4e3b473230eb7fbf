"""The setting that gives clients ranks of their own: its type and what it must fit."""

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge
from pydantic import Strict

from florg_app.config.flat import CommaSeparated, Words
from strategies import METHODS
from strategies.exchange.uploads import UploadForm
from strategies.method import Method

Ranks = Annotated[
    tuple[Annotated[int, Strict(False), Ge(1)], ...],
    CommaSeparated(),
    Words('comma-separated whole numbers >= 1, or "" (adapter.rank for all)'),
]


def check_ranks(ranks: Sequence[int], largest: int, method: Method, upload: UploadForm, noised: bool) -> None:
    """Raise ValueError where the method has one rank for all, a rank is above adapter.rank, or what a client of a
    lower rank sends could not be completed; `noised`: whether clients add noise to it.
    """
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
    lower = method.traits.keeps_rest and any(rank < largest for rank in ranks)
    if lower and upload == "summand":
        raise ValueError(
            f'{given} is impossible with strategy.upload = "summand" and strategy.name = "{method.name}": a client of '
            "a lower rank lacks the rest of the state, of which a summand is made as well; set strategy.upload = "
            '"tensors", or adapter.client-ranks = ""'
        )
    if lower and noised:
        raise ValueError(
            f'{given} is impossible with privacy.where = "client" and strategy.name = "{method.name}": what the noise '
            "of one upload adds to the sum, which the server takes off, differs with the rank; set "
            'adapter.client-ranks = "", or privacy.noise-multiplier = 0 (no privacy)'
        )
