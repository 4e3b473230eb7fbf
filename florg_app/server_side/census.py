"""What the server asks all nodes before round 1: does what was typed on each go together, and can its rows be used?"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from florg_app.config.parse import ConfigError
from strategies.exchange.hello import NAME, PARTITIONS, Hello
from strategies.exchange.wire import PARTITION

DATA_PATH = "data-path"
"""The key of a node's own rows."""


@dataclass(frozen=True)
class Census:
    """What the nodes say of themselves, by node id.

    What one node says ends no run: a node that contradicts most others takes no part, and is named.
    """

    answers: Mapping[int, Hello]

    def disagreements(self) -> dict[int, str]:
        """Say by node which of them take no part, and why: by key, with what others have."""
        return {**self._by_number(), **self._by_name()}

    def warnings(self) -> list[str]:
        """Say what is no contradiction, and still hardly meant."""
        said = [
            f"{self._names(nodes)} read the same files ({DATA_PATH}): their rows count twice"
            for place, nodes in self._groups("place").items()
            if place and len(nodes) > 1
        ]
        total = self._most_usual_number()
        if total is None:
            return said
        held = {hello.partition for hello in self._dividing.values()}
        idle = [partition for partition in range(total) if partition not in held]
        own = [hello.partition for hello in self.answers.values() if hello.private and hello.partition in idle]
        why = f"; with rows of its own there is {_listed(own)}" if own else ""
        nobody = f"{PARTITIONS} = {total}: nobody trains on the rows of partition {_listed(idle)}{why}"
        return [*said, nobody] if idle else said

    def num_partitions(self) -> int:
        """Among how many clients the rows are divided, as most of them say, for the server to do as they do.

        Raises ConfigError where a client has rows of its own, which the server cannot score, or no number is that of
        most.
        """
        if private := [node for node, hello in self.answers.items() if hello.private]:
            raise ConfigError(
                f'evaluate.rows = "union-held-out": clients have private rows (data-path; nodes {_listed(private)}), '
                'which never leave them, so that the server cannot score them; set evaluate.rows = "validation", or '
                "have the clients score their own rows with evaluate.on-clients = true and evaluate.every = 0"
            )
        if (number := self._number()) is None:
            found = _listed(sorted(self._counts())) or "no answer"
            raise ConfigError(
                f'evaluate.rows = "union-held-out": {PARTITIONS} of the clients: {found}; it must be the same number; '
                "correct the node configurations"
            )
        return number

    def objection(self, late: Hello) -> str:
        """Say why a node that comes later takes no part; empty where nothing speaks against it."""
        for node, hello in self.answers.items():
            if late.name and hello.name == late.name and hello.partition != late.partition:
                return f"{NAME} = {late.name} is that of {self.name_of(node)} too; give each SuperNode its own"
        number = self._number()
        if late.private or late.partitions is None or number in (None, late.partitions):
            return ""
        return _other_number(late.partitions, number)

    def name_of(self, node: int) -> str:
        """Say which node that is, in the words of its configuration."""
        hello = self.answers.get(node)
        if hello is None:
            return f"node {node}"
        named = hello.name and hello.name != str(hello.partition)
        return f"node {node} ({PARTITION} {hello.partition}{f', {NAME} {hello.name}' if named else ''})"

    @property
    def _dividing(self) -> dict[int, Hello]:
        """The nodes that train on a part of rows that all can read."""
        return {node: hello for node, hello in self.answers.items() if not hello.private}

    def _counts(self) -> Counter[int]:
        return Counter(hello.partitions for hello in self._dividing.values() if hello.partitions is not None)

    def _number(self) -> int | None:
        """The number of partitions that more than half of the nodes have that say one."""
        counts = self._counts()
        number, votes = counts.most_common(1)[0] if counts else (0, 0)
        return number if 2 * votes > counts.total() else None

    def _most_usual_number(self) -> int | None:
        counts = self._counts()
        return counts.most_common(1)[0][0] if counts else None

    def _by_number(self) -> dict[int, str]:
        """The nodes whose number of partitions is not that of most; where it is that of none, all of them."""
        said = {node: hello.partitions for node, hello in self._dividing.items() if hello.partitions is not None}
        if len(set(said.values())) < 2:
            return {}
        number = self._number()
        if number is not None:
            return {node: _other_number(own, number) for node, own in said.items() if own != number}
        each = ", ".join(f"{self.name_of(node)} has {own}" for node, own in list(said.items())[:8])
        reason = f"no {PARTITIONS} is that of most, and some rows would be trained on twice, others never: {each}"
        return dict.fromkeys(said, f"{reason}; tell all SuperNodes the same number")

    def _by_name(self) -> dict[int, str]:
        """The nodes of several partitions that have one name, which is that of their files."""
        found = {}
        for name, nodes in self._groups("name").items():
            if name and len({self.answers[node].partition for node in nodes}) > 1:
                reason = f"{NAME} = {name} is that of {self._names(nodes)}; give each SuperNode its own"
                found |= dict.fromkeys(nodes, reason)
        return found

    def _groups(self, attribute: str) -> dict[str, list[int]]:
        """The nodes by what they have there."""
        groups: dict[str, list[int]] = defaultdict(list)
        for node, hello in self.answers.items():
            groups[getattr(hello, attribute)].append(node)
        return groups

    def _names(self, nodes: Iterable[int]) -> str:
        return " and ".join(self.name_of(node) for node in nodes)


def _other_number(own: int, most: int) -> str:
    return f"its {PARTITIONS} = {own}, and most nodes have {most}: correct its configuration"


def _listed(numbers: Iterable[int]) -> str:
    shown = [str(number) for number in numbers]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
