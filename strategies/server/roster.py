"""Who takes part: Flower's random node ids behind the stable partition ids, and the sample of a round."""

import time
from logging import WARNING

from flwr.app import ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid

from strategies.exchange.wire import METRICS, PARTITION
from strategies.logger import log
from strategies.rng import generator
from strategies.server.polling import collect

HELLO_SECONDS = 120.0
"""How long a node may take to say which partition it holds; it starts a process for it in deployment."""


class Roster:
    """The partition of each node, asked once per node, so that a client may join or return at any time.

    A node that does not answer is not waited for again until it has been away.
    """

    def __init__(self, patience: float = HELLO_SECONDS) -> None:
        self._partition_of: dict[int, int] = {}
        self._silent: set[int] = set()
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
        self._ask(grid, [node for node in nodes if node not in self._partition_of and node not in self._silent])
        present: dict[int, int] = {}
        for node in nodes:
            partition = self._partition_of.get(node)
            if partition in present:
                log(WARNING, "two nodes hold partition %s; node %s takes no part", partition, node)
            elif partition is not None:
                present[partition] = node
        return dict(sorted(present.items()))

    def _ask(self, grid: Grid, nodes: list[int]) -> None:
        question = RecordDict({"config": ConfigRecord({"ask": "partition-id"})})
        messages = [(Message(question, node, MessageType.QUERY), node) for node in nodes]
        self._silent |= set(nodes)
        for node, reply in collect(grid, messages, self._patience):
            if node is None:
                continue
            self._silent.discard(node)
            if reply.has_error():
                log(WARNING, "node %s is not ready: %s", node, reply.error.reason)
                continue
            partition = reply.content.metric_records.get(METRICS, MetricRecord()).get(PARTITION)
            if isinstance(partition, int) and partition >= 0:
                self._partition_of[node] = partition
            else:
                log(WARNING, "node %s calls itself partition %s and takes no part", node, partition)


def sample_clients(partitions: list[int], fraction: float, seed: int, t: int) -> list[int]:
    """max(1, round(fraction x N)) of the partitions, ascending; a function of seed, round and the set alone."""
    if not partitions:
        return []
    count = max(1, round(fraction * len(partitions)))
    chosen = generator(seed, "sample", t).choice(sorted(partitions), size=count, replace=False)
    return sorted(int(partition) for partition in chosen)
