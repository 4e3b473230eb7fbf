"""What of a client's work travels: the tensors that it trained, or the summand that its method makes of them."""

from typing import Literal

from strategies.exchange.ranks import cut
from strategies.manifest import Manifest
from strategies.method import Method
from strategies.state import HEAD, State, Tensors
from strategies.summand import dense_summand

UploadForm = Literal["tensors", "summand"]
"""`contribute` runs on the server, which sees each client's tensors, or on the client: then it sees summands only."""


def encode_upload(form: UploadForm, method: Method, t: int, state: State, tensors: State) -> State:
    """Make a client's upload.

    Args:
        form: "tensors" as they are; "summand": `Method.contribute` of each group in float64, which the wire casts to
            float32, and the head as it is, for it is its own summand.
        method: whose summand it is.
        t: the round, from 1.
        state: that with which the round began for this client.
        tensors: what it trained and would send.
    """
    if form == "tensors":
        return tensors
    return State(
        {
            name: own if name == HEAD else dense_summand(method.contribute(t, _wide(state[name]), _wide(own)))
            for name, own in tensors.items()
        }
    )


def zero_update(form: UploadForm, method: Method, t: int, state: State, manifest: Manifest) -> State:
    """Make the upload of a client that did no training: the reference from which changes of uploads are counted.

    Args:
        form: as in `encode_upload`.
        method: whose upload it is.
        t: the round, from 1.
        state: that with which the round began.
        manifest: the layout at the client's rank.

    Returns:
        A state with the names and shapes of every upload of that rank.
    """
    shapes = manifest.uplink
    return encode_upload(form, method, t, state, cut(state.select(shapes), shapes))


def _wide(tensors: Tensors) -> Tensors:
    return {symbol: tensor.double() for symbol, tensor in tensors.items()}
