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
    """Make the upload of a client with these tensors to send; `state` is that with which round t began for it.

    tensors: as they are. summand: `contribute` of each group in float64, which the wire casts to float32; the head as
    it is, for it is its own summand.
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
    """Make the upload of a client that did no training since round t began with `state`, at the manifest's rank.

    The reference for every upload of that rank: it has the same names and shapes, and changes are counted from it.
    """
    shapes = manifest.uplink
    return encode_upload(form, method, t, state, cut(state.select(shapes), shapes))


def _wide(tensors: Tensors) -> Tensors:
    return {symbol: tensor.double() for symbol, tensor in tensors.items()}
