"""How much each upload of a round changes, measured where the method is moved by it."""

from collections.abc import Callable, Collection, Mapping, Sequence

import torch
from torch import Tensor

from strategies.exchange.screening import Upload
from strategies.exchange.uploads import UploadForm
from strategies.linalg import squared_norm_of_product
from strategies.method import Method
from strategies.state import HEAD, AnyTensor, State
from strategies.summand import MatrixProduct, Summand


def change_norms(
    uploads: Sequence[Upload],
    method: Method,
    form: UploadForm,
    t: int,
    start: State,
    zero_update: Callable[[int], State],
    completed: Callable[[State, int], State],
    exempt: Collection[str] = (),
) -> list[float]:
    """Return ||influence(upload) - influence(upload that changed nothing)||_F over all groups, for each upload.

    Args:
        uploads: accepted ones of round t.
        method: says what decides the influence of an upload; the head, and an upload that is a summand, count as such.
        form: what the uploads are.
        t: the round.
        start: the state with which it began.
        zero_update: by rank, an upload that changed nothing.
        completed: makes an upload of a rank one of the largest.
        exempt: keys "group/symbol" that do not count.
    """
    wide_start = start.map(Tensor.double)

    def influences(tensors: State, rank: int) -> dict[str, Summand]:
        wide = completed(tensors, rank).map(Tensor.double)
        return {
            name: group if name == HEAD or form == "summand" else method.influence(t, wide_start[name], group)
            for name, group in wide.items()
        }

    unchanged = {rank: influences(zero_update(rank), rank) for rank in {upload.rank for upload in uploads}}
    return [_distance(influences(upload.tensors, upload.rank), unchanged[upload.rank], exempt) for upload in uploads]


def _distance(now: Mapping[str, Summand], before: Mapping[str, Summand], exempt: Collection[str]) -> float:
    squares = [
        _squared_distance(part, before[name][symbol])
        for name, parts in now.items()
        for symbol, part in parts.items()
        if f"{name}/{symbol}" not in exempt
    ]
    return sum(squares) ** 0.5


def _squared_distance(now: AnyTensor | MatrixProduct, before: AnyTensor | MatrixProduct) -> float:
    """||now - before||_F^2; of products from their factors, so that no matrix of their size is formed.

    X Y - X0 Y0 = (X - X0) Y + X0 (Y - Y0): exactly 0 where nothing changed, and precise where little did.
    """
    if isinstance(now, Tensor) and isinstance(before, Tensor):
        return float((now - before).square().sum())
    assert isinstance(now, MatrixProduct)
    assert isinstance(before, MatrixProduct)
    X, Y = torch.cat([now.X - before.X, before.X], -1), torch.cat([now.Y, now.Y - before.Y], -2)
    return max(0.0, squared_norm_of_product(X, Y))
