"""What of a client's work travels: the tensors that it trained, or the summand that its method makes of them."""

from typing import Literal

from strategies.exchange.ranks import cut
from strategies.manifest import Manifest
from strategies.method import Method
from strategies.state import HEAD, State, Tensors, select

UploadForm = Literal["tensors", "summand"]
"""`contribute` runs on the server, which sees each client's tensors, or on the client: then it sees summands only."""


def encode_upload(form: UploadForm, method: Method, t: int, state: State, tensors: State) -> State:
    """The upload of a client with these tensors to send; `state` as round t began for it.

    summand: `contribute` of each group in float64, cast to float32 by the wire; the head as it is, its own summand.
    """
    if form == "tensors":
        return tensors
    return {
        name: own if name == HEAD else method.contribute(t, _wide(state[name]), _wide(own))
        for name, own in tensors.items()
    }


def zero_update(form: UploadForm, method: Method, t: int, state: State, manifest: Manifest) -> State:
    """What a client of the manifest's rank uploads if it changed nothing since the round began with `state`.

    It has the names and shapes of every upload of that rank.
    """
    shapes = manifest.uplink
    return encode_upload(form, method, t, state, cut(select(state, shapes), shapes))


def _wide(tensors: Tensors) -> Tensors:
    return {symbol: tensor.double() for symbol, tensor in tensors.items()}
