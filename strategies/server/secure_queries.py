"""The query messages of a secure sum over a grid: one answer or the lack of one from every client asked."""

from collections.abc import Iterator, Mapping

from flwr.serverapp import Grid

from strategies.exchange.hello import MOST_HELLO_BYTES
from strategies.exchange.lineage import Lineage
from strategies.exchange.screening import Rejected
from strategies.exchange.secure_step import Step, read_answer, step_content, step_message
from strategies.server.polling import Unreadable, collect
from strategies.server.secure_round import Ask


def ask_over(grid: Grid, nodes: Mapping[int, int], lineage: Lineage, t: int, timeout: float) -> Ask:
    """Make what asks the clients of round t's secure sum; `nodes` by partition, `timeout` in seconds for each step."""

    def ask(step: Step, data: Mapping[int, bytes]) -> Iterator[tuple[int, bytes | Rejected]]:
        contents = {partition: step_content(step, own, lineage, t) for partition, own in data.items()}
        messages = [(step_message(contents[p], nodes[p], t, timeout), p) for p in data]
        waiting = set(data)
        for partition, reply in collect(grid, messages, timeout, MOST_HELLO_BYTES):
            if partition in waiting:
                waiting.discard(partition)
                if isinstance(reply, Unreadable):
                    yield partition, Rejected(partition, reply.reason)
                else:
                    yield partition, read_answer(reply, t, partition)
        for partition in sorted(waiting):
            yield partition, Rejected(partition, f"no answer within {timeout:g} s")

    return ask
