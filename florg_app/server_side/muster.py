"""Before round 1: which of the nodes that are there take part, and the end of the run where too few are left."""

from collections import defaultdict
from collections.abc import Mapping
from logging import WARNING

from flwr.serverapp import Grid

from florg_app.assembly import Assembly
from florg_app.config.parse import ConfigError
from florg_app.config.settings import Settings
from florg_app.reports.report import note
from florg_app.server_side.census import Census
from florg_app.tasks.registry import EMBEDDED_TASK
from strategies.exchange.foreign_text import safe_text
from strategies.exchange.hello import MOST_HELLO_BYTES, ROWS, Hello, parse_refusal, question
from strategies.server.polling import collect
from strategies.server.roster import Roster, content_of


def muster(grid: Grid, roster: Roster, assembly: Assembly, settings: Settings) -> Census:
    """Wait for the clients, compare what they say, and have each read its rows as in round 1; who takes part then.

    A node that contradicts most others, or whose rows cannot be used, takes no part and is named with the reason. Where
    the server finds the same bad row, since all read it, that ends the run, as it does without any client.

    Raises:
        ConfigError: fewer than min-clients are left by that, or the server has found a bad row.
        TimeoutError: too few clients came.
    """
    roster.wait(grid, settings.min_clients, settings.wait_timeout)
    roster.await_hellos(grid, settings.min_clients, settings.wait_timeout)
    census = Census(roster.hellos(grid))
    for node, reason in census.disagreements().items():
        _leave_out(roster, census, node, reason)
    agreed = Census(roster.hellos(grid))
    if settings.evaluate.rows == "union-held-out":
        agreed.num_partitions()
    if settings.task.name != EMBEDDED_TASK or any(hello.private for hello in agreed.answers.values()):
        for node, problem in _bad_rows(grid, agreed, assembly, settings.round_timeout).items():
            _leave_out(roster, agreed, node, problem)
    _check_enough(grid, roster, census, settings.min_clients)
    present = Census(roster.hellos(grid))
    roster.objection = present.objection
    for warning in present.warnings() if not settings.method.traits.pooled else ():
        note(warning, WARNING)
    return present


def _leave_out(roster: Roster, census: Census, node: int, reason: str) -> None:
    note(f"{census.name_of(node)} takes no part: {reason}", WARNING)
    roster.leave_out(node, reason)


def _bad_rows(grid: Grid, census: Census, assembly: Assembly, seconds: float) -> Mapping[int, str]:
    """Why the rows of nodes cannot be used, in their words, by node.

    Raises ConfigError where the server finds the same in rows that all read: a node's word is not needed for that. A
    node that does not answer, or fails otherwise, is left to the rounds.
    """
    messages, found = [(question(ROWS, node), node) for node in census.answers], {}
    for node, reply in collect(grid, messages, seconds, MOST_HELLO_BYTES):
        content = content_of(reply)
        if isinstance(content, str):
            note(f"{census.name_of(node)} could not read its rows: {content}", WARNING)
        elif reason := parse_refusal(content):
            _raise_own(assembly, census.answers[node], reason)
            found[node] = reason
    return found


def _raise_own(assembly: Assembly, hello: Hello, reason: str) -> None:
    """Read the rows of a node here, where all can; raises ConfigError where that ends as the node says."""
    if hello.private or hello.partitions is None:
        return
    try:
        assembly.data.client(hello.partition, hello.partitions)
    except ConfigError as error:
        if safe_text(str(error)) == reason:
            raise


def _check_enough(grid: Grid, roster: Roster, census: Census, needed: int) -> None:
    """Raise ConfigError where so many take no part that too few are left, with the reason of each."""
    count = len(roster.online(grid))
    if roster.left_out and count < needed:
        nodes: dict[str, list[str]] = defaultdict(list)
        for node, reason in roster.left_out.items():
            nodes[reason].append(census.name_of(node))
        head = f"{count} of min-clients = {needed} clients can take part"
        raise ConfigError(*(f"{head}: {' and '.join(names)}: {reason}" for reason, names in nodes.items()))
