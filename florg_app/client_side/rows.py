"""The rows that a client works on, and how long they took to get."""

import time

from flwr.app import Context

from florg_app.assembly import Assembly
from florg_app.client_side.node import partition_of
from florg_app.data.features import ClientData


def timed_rows(context: Context, assembly: Assembly) -> tuple[int, ClientData, float]:
    """Return this client's partition, its rows, and the seconds that reading them took."""
    partition, num_partitions = partition_of(context)
    begun = time.monotonic()
    data = assembly.data.client(partition, num_partitions)
    return partition, data, time.monotonic() - begun
