"""What the server asks all clients before it divides the rows as they do: how many they are, whose rows they have."""

from flwr.app import ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid

from florg_app.config.parse import ConfigError
from strategies.exchange.wire import METRICS
from strategies.server.polling import collect
from strategies.server.roster import HELLO_SECONDS, Roster

PARTITIONS, PRIVATE = "num-partitions", "private-data"


def num_partitions(grid: Grid, minimum: int, timeout: float) -> int:
    """Among how many clients the rows are divided, as `minimum` clients or more say.

    Raises ConfigError where a client has rows of its own, which the server cannot score, or clients disagree, and
    TimeoutError where too few come.
    """
    Roster().wait(grid, minimum, timeout)
    question = RecordDict({"config": ConfigRecord({"ask": PARTITIONS})})
    messages = [(Message(question, node, MessageType.QUERY), node) for node in sorted(grid.get_node_ids())]
    replies = [reply for _, reply in collect(grid, messages, HELLO_SECONDS) if not reply.has_error()]
    answers = [reply.content.metric_records.get(METRICS, MetricRecord()) for reply in replies]
    if any(answer.get(PRIVATE) for answer in answers):
        raise ConfigError(
            'evaluate.rows = "union-held-out": clients have private rows (data-path), which never leave them, so that '
            'the server cannot score them; set evaluate.rows = "validation", or have the clients score their own rows '
            "with evaluate.on-clients = true and evaluate.every = 0"
        )
    numbers = {int(str(answer[PARTITIONS])) for answer in answers if PARTITIONS in answer}
    if len(numbers) != 1:
        found = ", ".join(map(str, sorted(numbers))) or "no answer"
        raise ConfigError(
            f'evaluate.rows = "union-held-out": {PARTITIONS} of the clients: {found}; it must be the same number; '
            "correct the node configurations"
        )
    return numbers.pop()
