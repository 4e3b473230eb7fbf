"""What a method says in the log of what its steps lose for good: each sentence once in a run."""

from collections.abc import Sequence

from strategies.method import Method
from strategies.state import Group, State


class Remarks:
    """The remarks of a run's steps; a group of which something was said is not asked about again."""

    def __init__(self, method: Method, groups: Sequence[Group]) -> None:
        self._method = method
        self._silent = list(groups)

    def of_step(self, old: State, new: State) -> list[str]:
        """Return what is to be said of the step from one state of the server to the next."""
        said = {
            group: remark
            for group in self._silent
            if group.name in old
            and group.name in new
            and (remark := self._method.remark(group, old[group.name], new[group.name]))
        }
        self._silent = [group for group in self._silent if group not in said]
        return list(said.values())
