"""The in-process engine: the same ServerApp and ClientApp without Ray or network, for notebooks and debuggers."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid

from strategies.flower_internals import assign_message_id, client_error, task_identity

Client = Callable[[Message, Context], Message]

FIRST_NODE = 100


class InProcessGrid(Grid):
    """Runs one client per pull, in this process, so that replies stream one by one as they do in a deployment."""

    def __init__(
        self, client: Client, run_config: Mapping[str, Any], num_clients: int, state_dir: Path | None = None
    ) -> None:
        node = {"num-partitions": num_clients, **({"state-dir": str(state_dir)} if state_dir else {})}
        self._client = client
        self._waiting: dict[str, Message] = {}
        self._sent = 0
        self._contexts = {
            FIRST_NODE + partition: Context(
                run_id=1,
                node_id=FIRST_NODE + partition,
                node_config={"partition-id": partition, **node},
                state=RecordDict(),
                run_config=dict(run_config),
            )
            for partition in range(num_clients)
        }

    def get_node_ids(self) -> Iterable[int]:
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        ids = []
        for message in messages:
            self._sent += 1
            assign_message_id(message, str(self._sent))
            self._waiting[str(self._sent)] = message
            ids.append(str(self._sent))
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        message_id = min((i for i in message_ids if i in self._waiting), key=int, default=None)
        return [] if message_id is None else [self._serve(self._waiting.pop(message_id))]

    def _serve(self, message: Message) -> Message:
        context = self._contexts[message.metadata.dst_node_id]
        try:
            return self._client(message, context)
        except Exception as error:
            return client_error(error, message)

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        ids = list(self.push_messages(messages))
        return [reply for message_id in ids for reply in self.pull_messages([message_id])]

    def set_run(self, run: Any) -> None:
        raise NotImplementedError("the in-process engine has one run")

    @property
    def run(self) -> Any:
        raise NotImplementedError("the in-process engine has one run")

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)


def run_in_process(run_config: Mapping[str, Any], num_clients: int, state_dir: Path | None = None) -> None:
    """One whole run in this process; raises what the server raises. Results go to `output-dir` as everywhere.

    With `state_dir` the clients keep there what is their own, so that the run can be resumed by another process.
    """
    from florg_app import client_app, server_app
    from florg_app.config.parse import parse_settings

    with task_identity():
        grid = InProcessGrid(client_app.app, run_config, num_clients, state_dir)
        server_app.serve(grid, parse_settings(run_config))
