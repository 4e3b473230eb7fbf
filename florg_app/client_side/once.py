"""What the server sends once to each client: taken from the message that has it, and kept."""

from florg_app.client_side.memories import ClientStores
from strategies.exchange.train_request import TrainRequest
from strategies.exchange.wire import RefusalError
from strategies.manifest import Manifest
from strategies.state import State


def held_once(stores: ClientStores, request: TrainRequest, received: State, manifest: Manifest) -> State:
    """Return the tensors that travel once, in the version of the request; what a message brings of them is kept.

    Raises RefusalError where the client has lost them; the server then sends them with its next message.
    """
    if not request.version:
        return State()
    store = stores.once(request.version)
    if request.carries:
        own = received.select(manifest.once)
        store.save(own)
        return own
    kept = store.load()
    if kept is None:
        raise RefusalError(
            f"this client no longer has what the server sent it once (version {request.version}), as after a restart; "
            "it gets it again with the next round that it is asked for"
        )
    return kept
