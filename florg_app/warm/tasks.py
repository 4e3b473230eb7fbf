"""The tasks of a SuperNode that runs with `--isolation process`, as Flower's SuperExec asks for them."""

from dataclasses import dataclass

import httpx
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.retry import RetryInvoker, exponential
from flwr.supercore.runtime import RuntimeHttpClient

_ACQUIRE = frozenset({"/flwr.proto.Runtime/AcquireTask"})


@dataclass(frozen=True)
class ClientTask:
    """One message that a client is to answer."""

    run: int
    token: str
    """By which the process that works on it may fetch it, and nothing else."""


class TaskSource:
    """The SuperNode at an address of this machine; only who knows the secret gets tasks of it."""

    def __init__(self, address: str, secret: bytes) -> None:
        self._client = RuntimeHttpClient.from_server_address(
            server_address=address,
            insecure=True,
            root_certificates=None,
            interceptors=[
                RuntimeVersionHttpInterceptor(component_name="SuperExec"),
                SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=_ACQUIRE),
            ],
            retry_invoker=RetryInvoker(exponential, httpx.TransportError, max_tries=1, max_time=None),
        )

    def next(self) -> ClientTask | None:
        """Take over the next task; None where there is none, or the SuperNode does not serve (yet, or any more)."""
        try:
            answer = self._client.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP]))
        except httpx.TransportError:
            return None
        if not (answer.HasField("task") and answer.token):
            return None
        return ClientTask(answer.task.run_id, answer.token)

    def close(self) -> None:
        """Give up the connection."""
        self._client.close()
