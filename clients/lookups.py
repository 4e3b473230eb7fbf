"""Look-ups by index that are checked before they are made, on every device.

A row beyond a table is an IndexError on a CPU; on CUDA it ends the process's use of the device.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class BeyondTableError(IndexError):
    """An index that no row of a table has."""

    def __init__(self, indices: Tensor, size: int) -> None:
        self.indices, self.size = indices, size
        super().__init__(f"index {int(indices.max())} (or {int(indices.min())}) of a table of {size} rows")


class CheckedLookups(TorchFunctionMode):
    """Within the context every look-up in a table of embeddings, gather, index_select or `x[indices]` is checked.

    Raises BeyondTableError instead of making one that is out of range. `tables` collects (indices, rows of the table)
    of embeddings, in the order of their use.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[tuple[Tensor, int]] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if check := _CHECKS.get(getattr(func, "__name__", "")):
            for indices, size, lowest in check(func, args, kwargs):
                if indices.numel() and not (lowest <= int(indices.min()) and int(indices.max()) < size):
                    raise BeyondTableError(indices, size)
                if check is _embedding:
                    self.tables.append((indices.detach(), size))
        return func(*args, **kwargs)


Lookup = Iterator[tuple[Tensor, int, int]]
"""(indices, rows of the table, lowest index allowed)"""


def _embedding(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Lookup:
    """torch.nn.functional's has the indices first, torch's the table."""
    names = ("input", "weight") if func is functional.embedding else ("weight", "indices")
    given: dict[str, Any] = {**dict(zip(names, args, strict=False)), **kwargs}
    yield given["input" if "input" in given else "indices"], given["weight"].shape[0], 0


def _along(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Lookup:
    given: dict[str, Any] = {**dict(zip(("input", "dim", "index"), args, strict=False)), **kwargs}
    if isinstance(given["dim"], int):
        yield given["index"], given["input"].shape[given["dim"]], 0


def _getitem(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Lookup:
    table, key = args
    parts, axis = key if isinstance(key, tuple) else (key,), 0
    for part in parts:
        if part is Ellipsis:
            return
        if part is None or isinstance(part, bool):
            continue
        if not isinstance(part, Tensor):
            axis += 1
        elif part.dtype in (torch.bool, torch.uint8):
            axis += part.dim()
        else:
            yield part, table.shape[axis], -table.shape[axis]
            axis += 1


_CHECKS: Mapping[str, Callable[..., Lookup]] = {
    "embedding": _embedding,
    "gather": _along,
    "index_select": _along,
    "__getitem__": _getitem,
}
"""By name of the function."""
