"""Which clients hold the tensors that travel once to each of them."""

import hashlib
from collections.abc import Iterable, Sequence

from flwr.app import Message
from torch import Tensor

from strategies.exchange.screening import Asked, Upload
from strategies.state import State


class OnceSent:
    """Nodes are told apart by Flower's ids: one that starts anew has another, and is sent everything again.

    A node counts as one that holds them after an upload that was accepted, and no longer after one that was not: a
    client that lost them says so by an error, which costs it that round, and gets them with its next message. Nothing
    of it is in checkpoints, so that whoever resumes a run sends them once more.
    """

    def __init__(self) -> None:
        self.version = ""
        """Empty where nothing travels once."""
        self._holders: set[int] = set()

    def update(self, tensors: State) -> None:
        """Take the tensors as a round begins; nobody holds what has changed."""
        version = once_version(tensors) if tensors else ""
        if version != self.version:
            self.version, self._holders = version, set()

    def lacks(self, node: int) -> bool:
        """Tell whether the next message to a node has to have them."""
        return bool(self.version) and node not in self._holders

    def note(self, sent: Iterable[tuple[Message, Asked]], accepted: Sequence[Upload]) -> None:
        """Take over what a round's replies say of who holds them."""
        done = {upload.partition for upload in accepted}
        for message, asked in sent:
            node = message.metadata.dst_node_id
            self._holders = self._holders | {node} if asked.partition in done else self._holders - {node}


def once_version(tensors: State) -> str:
    """Return 16 hexadecimal digits over the names, sizes and bits of tensors, as float32."""
    found = hashlib.sha256()
    for key, tensor in sorted(tensors.flat.items()):
        found.update(f"{key}/{tuple(tensor.shape)}/".encode())
        found.update(Tensor.float(tensor).cpu().contiguous().numpy().astype("<f4").tobytes())
    return found.hexdigest()[:16]
