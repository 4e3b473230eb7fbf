"""Who takes part: Flower's random node ids behind the stable partition ids, and the sample of a round."""

import time
from logging import WARNING

from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from strategies.exchange.foreign_text import safe_text
from strategies.exchange.hello import MOST_HELLO_BYTES, Hello, parse_hello
from strategies.logger import log
from strategies.rng import generator
from strategies.server.polling import Reply, Unreadable, collect

HELLO_SECONDS = 120.0
"""How long a node may take to say which partition it holds; it starts a process for it in deployment."""


class Roster:
    """The partition of each node, asked once per node, so that a client may join or return at any time.

    A node that does not answer is not waited for again until it has been away. A partition belongs to the node that
    held it first, for as long as that one is there: whoever else calls itself by it takes no part. Of two that claim a
    free one at once neither does.
    """

    def __init__(self, patience: float = HELLO_SECONDS) -> None:
        self._known: dict[int, Hello] = {}
        """By node."""
        self._holder: dict[int, int] = {}
        """By partition: the node that held it last."""
        self._silent: set[int] = set()
        self._refused: set[tuple[int, ...]] = set()
        """The disputes that were said."""
        self._patience = patience

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

    def online(self, grid: Grid) -> dict[int, int]:
        """{partition id: node id} of the clients that are there now, ascending."""
        nodes = sorted(grid.get_node_ids())
        self._silent &= set(nodes)
        self._ask(grid, [node for node in nodes if node not in self._known and node not in self._silent])
        claims: dict[int, list[int]] = {}
        for node in nodes:
            if node in self._known:
                claims.setdefault(self._known[node].partition, []).append(node)
        for partition, claimants in claims.items():
            if self._holder.get(partition) not in claimants:
                self._holder.pop(partition, None)
                if len(claimants) == 1:
                    self._holder[partition] = claimants[0]
            if len(claimants) > 1:
                self._say_dispute(partition, claimants)
        return {p: self._holder[p] for p in sorted(claims) if p in self._holder}

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
        question = RecordDict({"config": ConfigRecord({"ask": "partition-id"})})
        messages = [(Message(question, node, MessageType.QUERY), node) for node in nodes]
        self._silent |= set(nodes)
        for node, reply in collect(grid, messages, self._patience, MOST_HELLO_BYTES):
            self._silent.discard(node)
            hello = hello_of(reply)
            if isinstance(hello, Hello):
                self._known[node] = hello
            else:
                log(WARNING, "node %s takes no part: %s", node, hello)


def hello_of(reply: Reply) -> Hello | str:
    """Read a node's answer to the question who it is; or, in words, why that is impossible."""
    if isinstance(reply, Unreadable):
        return reply.reason
    if reply.has_error():
        return f"it is not ready: {safe_text(str(reply.error.reason))}"
    return parse_hello(reply.content if reply.has_content() else None)


def sample_clients(partitions: list[int], fraction: float, seed: int, t: int) -> list[int]:
    """max(1, round(fraction x N)) of the partitions, ascending; a function of seed, round and the set alone."""
    if not partitions:
        return []
    count = max(1, round(fraction * len(partitions)))
    chosen = generator(seed, "sample", t).choice(sorted(partitions), size=count, replace=False)
    return sorted(int(partition) for partition in chosen)
