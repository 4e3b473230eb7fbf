"""Which runs begin with a round of gradient sketches, and what does not go with that."""

from strategies import METHODS
from strategies.method import Method
from strategies.plan import Role


def chosen_by_method(method: Method) -> bool:
    """Whether the method's own settings ask for a start from the gradient, in tensors that travel once."""
    return bool(method.plan.named(Role.ONCE))


def _may_begin_so(method: Method) -> bool:
    """Whether adapter.start = "gradient" changes how it begins."""
    return method.traits.from_gradient and not chosen_by_method(method)


def begins_from_gradient(start: str, method: Method) -> bool:
    """Whether round 1 begins from the clients' mean gradient at W0; `start` is adapter.start."""
    return start == "gradient" or chosen_by_method(method)


def sketch_columns(columns: int, rank: int) -> int:
    """Of a sketch: as start.columns says, 0 = twice the rank."""
    return columns or 2 * rank


def check_gradient_start(start: str, has_adapter: bool, columns: int, rank: int, method: Method) -> None:
    """Raise ValueError where a run cannot begin from the gradient, or settings of that start have no effect.

    start: adapter.start; has_adapter: whether adapter.start-from is set; columns: start.columns.
    """
    own = {
        "florg": 'strategy.florg.basis = "gradient"',
        "ffa-lora": 'strategy.ffa-lora.start = "gradient"',
        "fed-sb": 'strategy.name = "fed-sb"',
    }
    if start == "gradient" and not _may_begin_so(method):
        able = " | ".join(name for name, cls in METHODS.items() if _may_begin_so(cls()))
        instead = f"{own[method.name]} is its own; " if method.name in own else ""
        raise ValueError(
            f'adapter.start = "gradient" is impossible with strategy.name = "{method.name}", whose A does not begin '
            f'uniform and travel: {instead}set adapter.start = "method", or strategy.name to {able}'
        )
    if not begins_from_gradient(start, method):
        if columns:
            raise ValueError(
                f"start.columns = {columns} is read where a run begins from the gradient alone: adapter.start = "
                f'"gradient", {" or ".join(own.values())}; set one of them, or start.columns = 0'
            )
        return
    given = own[method.name] if chosen_by_method(method) else 'adapter.start = "gradient"'
    if has_adapter:
        raise ValueError(f"{given} and adapter.start-from are two starts; leave out one of them")
    if columns and columns < rank:
        raise ValueError(
            f"start.columns = {columns} is below adapter.rank = {rank}, of whose directions a sketch must have one "
            "each; raise it, or set it to 0 (twice the rank)"
        )
