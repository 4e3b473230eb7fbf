"""Who takes part: Flower's random node ids behind the stable partition ids, and the sample of a round."""

import time
from collections.abc import Callable
from logging import WARNING

from flwr.app import RecordDict
from flwr.serverapp import Grid

from strategies.exchange.foreign_text import safe_text
from strategies.exchange.hello import MOST_HELLO_BYTES, WHO, Hello, parse_hello, parse_refusal, question
from strategies.logger import log
from strategies.rng import generator
from strategies.server.polling import LONGEST_PAUSE, Reply, Unreadable, collect, late_replies

HELLO_SECONDS = 120.0
"""How long a node may take to say which partition it holds; it starts a process for it in deployment."""


class Roster:
    """The partition of each node, asked once per node, so that a client may join or return at any time.

    A node that does not answer, since it is at work for another run, is not waited for again; it takes part from when
    its answer has come. A partition belongs to the node that
    held it first, for as long as that one is there: whoever else calls itself by it takes no part. Of two that claim a
    free one at once neither does.
    """

    def __init__(self, patience: float = HELLO_SECONDS) -> None:
        self._known: dict[int, Hello] = {}
        """By node."""
        self._holder: dict[int, int] = {}
        """By partition: the node that held it last."""
        self._silent: set[int] = set()
        self._unanswered: dict[str, int] = {}
        """By the id of a question that was waited for in vain: the node that it went to."""
        self._refused: set[tuple[int, ...]] = set()
        """The disputes that were said."""
        self._patience = patience
        self.objection: Callable[[Hello], str] = lambda hello: ""
        """Why a node that is asked from now on takes no part; empty where nothing speaks against it."""
        self.left_out: dict[int, str] = {}
        """Why nodes take no part, and are not asked again."""

    def wait(self, grid: Grid, minimum: int, timeout: float) -> None:
        """Wait until `minimum` clients are online; raises TimeoutError saying how many came."""
        start = time.monotonic()
        while (count := len(list(grid.get_node_ids()))) < minimum:
            if time.monotonic() - start > timeout:
                raise TimeoutError(
                    f"{count} client(s) online after {timeout:.0f} s, min-clients = {minimum}: "
                    "start more SuperNodes, or lower min-clients, or raise wait-timeout"
                )
            time.sleep(0.2)

    def await_hellos(self, grid: Grid, minimum: int, timeout: float) -> None:
        """Wait until `minimum` nodes have said who they are, at most `timeout` seconds, while one owes its answer.

        A node owes it while it is at work for another run. One that never answers does not end the run: the log
        says how many are missing, and the rounds begin without them.
        """
        start = time.monotonic()
        while (count := len(self.hellos(grid))) < minimum and self._unanswered:
            if time.monotonic() - start >= timeout:
                text = "%d of min-clients = %d clients said who they are within %.0f s; who answers later joins"
                log(WARNING, text, count, minimum, timeout)
                return
            time.sleep(LONGEST_PAUSE)

    def online(self, grid: Grid) -> dict[int, int]:
        """{partition id: node id} of the clients that are there now, ascending."""
        claims: dict[int, list[int]] = {}
        for node, hello in self.hellos(grid).items():
            claims.setdefault(hello.partition, []).append(node)
        for partition, claimants in claims.items():
            if self._holder.get(partition) not in claimants:
                self._holder.pop(partition, None)
                if len(claimants) == 1:
                    self._holder[partition] = claimants[0]
            if len(claimants) > 1:
                self._say_dispute(partition, claimants)
        return {p: self._holder[p] for p in sorted(claims) if p in self._holder}

    def hellos(self, grid: Grid) -> dict[int, Hello]:
        """Return what the nodes say of themselves that are there now and are not left out, by node id, ascending."""
        nodes = sorted(grid.get_node_ids())
        self._silent &= set(nodes)
        self._unanswered = {question: node for question, node in self._unanswered.items() if node in self._silent}
        for node, reply in late_replies(grid, self._unanswered, MOST_HELLO_BYTES):
            self._take(node, reply)
        asked = self._known.keys() | self.left_out.keys() | self._silent
        self._ask(grid, [node for node in nodes if node not in asked])
        return {node: self._known[node] for node in nodes if node in self._known}

    def leave_out(self, node: int, reason: str) -> None:
        """Have a node take no part from now on."""
        self.left_out[node] = reason
        hello = self._known.pop(node, None)
        if hello is not None and self._holder.get(hello.partition) == node:
            del self._holder[hello.partition]

    def rows(self, partition: int) -> int | None:
        """How many training rows the client that holds a partition said that it has; None where it said nothing."""
        node = self._holder.get(partition)
        return None if node is None else self._known[node].rows

    def _say_dispute(self, partition: int, claimants: list[int]) -> None:
        """Log once who claims a partition that another holds, or that nobody gets."""
        dispute = (partition, *claimants)
        if dispute in self._refused:
            return
        self._refused.add(dispute)
        holder = self._holder.get(partition)
        others = ", ".join(str(node) for node in claimants if node != holder)
        kept = "none of them takes part" if holder is None else f"node {holder} held it first and keeps it"
        log(WARNING, "partition %s is claimed by nodes %s too: %s", partition, others, kept)

    def _ask(self, grid: Grid, nodes: list[int]) -> None:
        self._silent |= set(nodes)
        messages = [(question(WHO, node), node) for node in nodes]
        for node, reply in collect(grid, messages, self._patience, MOST_HELLO_BYTES, self._unanswered):
            self._take(node, reply)

    def _take(self, node: int, reply: Reply) -> None:
        """Take note of a node's answer."""
        self._silent.discard(node)
        hello = hello_of(reply)
        reason = hello if isinstance(hello, str) else self.objection(hello)
        if isinstance(hello, Hello) and not reason:
            self._known[node] = hello
            return
        log(WARNING, "node %s takes no part: %s", node, reason)
        if isinstance(hello, Hello) or parse_refusal(content_of(reply)):
            self.left_out[node] = reason  # it would say the same again; one that is not ready yet is asked again


def content_of(reply: Reply) -> RecordDict | str | None:
    """Read what an answer holds; None where it holds nothing; or, in words, why it is none."""
    if isinstance(reply, Unreadable):
        return reply.reason
    if reply.has_error():
        return f"it is not ready: {safe_text(str(reply.error.reason))}"
    return reply.content if reply.has_content() else None


def hello_of(reply: Reply) -> Hello | str:
    """Read a node's answer to the question who it is; or, in words, why that is impossible."""
    content = content_of(reply)
    return content if isinstance(content, str) else parse_hello(content)


def sample_clients(partitions: list[int], fraction: float, seed: int, t: int) -> list[int]:
    """Draw the clients of a round, a function of seed, round and the set of partitions alone.

    Args:
        partitions: those whose clients are there, in any order.
        fraction: the share to ask, in (0, 1].
        seed: that of the run.
        t: the round, from 1.

    Returns:
        max(1, round(fraction x N)) partitions, ascending; none of none.

    Example:
        >>> len(sample_clients([0, 1, 2, 3, 4], 0.5, seed=1, t=1)), sample_clients([7], 0.1, seed=1, t=1)
        (2, [7])
    """
    if not partitions:
        return []
    count = max(1, round(fraction * len(partitions)))
    chosen = generator(seed, "sample", t).choice(sorted(partitions), size=count, replace=False)
    return sorted(int(partition) for partition in chosen)
