"""What the server asks all clients before it divides the rows as they do: how many they are, whose rows they have."""

from collections import Counter
from logging import WARNING

from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from florg_app.config.parse import ConfigError
from florg_app.reports.report import note
from strategies.exchange.hello import MOST_HELLO_BYTES, PARTITIONS, Hello
from strategies.server.polling import collect
from strategies.server.roster import HELLO_SECONDS, Roster, hello_of


def num_partitions(grid: Grid, minimum: int, timeout: float) -> int:
    """Ask among how many clients the rows are divided, as most of `minimum` clients or more say.

    An answer that is none, or another number than that of most, is said and does not count. Raises ConfigError where a
    client has rows of its own, which the server cannot score, or no number is that of most, and TimeoutError where too
    few clients come.
    """
    Roster().wait(grid, minimum, timeout)
    answers = _ask_all(grid)
    if private := [node for node, hello in answers.items() if hello.private]:
        raise ConfigError(
            f'evaluate.rows = "union-held-out": clients have private rows (data-path; nodes {_listed(private)}), which '
            'never leave them, so that the server cannot score them; set evaluate.rows = "validation", or have the '
            "clients score their own rows with evaluate.on-clients = true and evaluate.every = 0"
        )
    counts = Counter(hello.partitions for hello in answers.values() if hello.partitions is not None)
    number, votes = counts.most_common(1)[0] if counts else (0, 0)
    if 2 * votes <= counts.total():
        found = ", ".join(map(str, sorted(counts))) or "no answer"
        raise ConfigError(
            f'evaluate.rows = "union-held-out": {PARTITIONS} of the clients: {found}; it must be the same number; '
            "correct the node configurations"
        )
    for node, hello in answers.items():
        if hello.partitions not in (None, number):
            note(f"node {node} has {PARTITIONS} = {hello.partitions}, most have {number}: correct it there", WARNING)
    return number


def _ask_all(grid: Grid) -> dict[int, Hello]:
    """The answers by node; a node without a usable one is said."""
    question = RecordDict({"config": ConfigRecord({"ask": PARTITIONS})})
    messages = [(Message(question, node, MessageType.QUERY), node) for node in sorted(grid.get_node_ids())]
    answers: dict[int, Hello] = {}
    for node, reply in collect(grid, messages, HELLO_SECONDS, MOST_HELLO_BYTES):
        hello = hello_of(reply)
        if isinstance(hello, Hello):
            answers[node] = hello
        else:
            note(f"node {node} does not count among the clients: {hello}", WARNING)
    return answers


def _listed(nodes: list[int]) -> str:
    first = ", ".join(map(str, nodes[:5]))
    return first if len(nodes) <= 5 else f"{first} and {len(nodes) - 5} more"
