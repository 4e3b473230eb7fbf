"""The settings on how tensors travel, and which methods and protections they go with, and why not."""

from collections.abc import Sequence
from typing import Annotated

from annotated_types import Gt, Le

from florg_app.config.protection import PrivacySettings, Reason
from florg_app.config.section import Section
from strategies import METHODS
from strategies.exchange.codecs.table import CODECS, CodecName, Wire
from strategies.exchange.uploads import UploadForm
from strategies.method import Method
from strategies.plan import UPLOADED, Role
from strategies.server.broadcast import adds_changes


class WireSettings(Section, frozen=True):
    upload: CodecName = "float32"
    """What clients send of the change of each tensor."""
    broadcast: CodecName = "float32"
    """What the server sends of its state."""
    top_k: Annotated[float, Gt(0), Le(1)] = 0.1
    """Of "top-k": the share of a tensor's numbers that is sent."""
    feedback: bool = True
    """A client adds what one upload could not carry to its next, and remembers it until then."""


def wire_of(wire: WireSettings) -> Wire:
    """Return the codecs of a run. Without a codec there is nothing that an upload could not carry."""
    upload, broadcast = (CODECS[name](wire.top_k) for name in (wire.upload, wire.broadcast))
    return Wire(upload, broadcast, wire.feedback and not upload.exact)


def no_coded_upload(method: Method, codec: CodecName) -> Reason:
    """Say why uploads of a method cannot travel in a codec."""
    roles = (*method.plan.roles.values(), method.plan.head)
    if not any(role in UPLOADED for role in roles):
        return "uploads nothing"
    if codec == "top-k" and Role.REPORTED in roles:
        return "has clients report what they keep, of which the server knows nothing that a few numbers would change"
    return ""


def no_feedback(method: Method) -> Reason:
    """Say why what one upload of a method could not carry is of no use in the next."""
    if method.plan.named(Role.SHARED) and not method.traits.steady:
        return "makes new factors of each round's uploads, to which what an earlier upload left over does not belong"
    return ""


_SEVERAL_RANKS = "clients of several ranks would each round the same tensors differently"


def no_coded_broadcast(method: Method, codec: CodecName) -> Reason:
    """Say why the state of a method cannot travel in a codec."""
    if type(method).pruned_rank is not Method.pruned_rank:
        return f"has clients that lower their ranks, and {_SEVERAL_RANKS}"
    if codec == "top-k" and not adds_changes(method):
        return "goes on from what was sent, so that what a broadcast leaves out would be lost"
    return ""


def check_wire(
    wire: WireSettings, privacy: PrivacySettings, upload: UploadForm, method: Method, ranks: Sequence[int]
) -> None:
    """Raise ValueError where a codec would bend the method or a protection, or a setting would do nothing.

    upload: strategy.upload; ranks: adapter.client-ranks.
    """
    names: dict[str, CodecName] = {"upload": wire.upload, "broadcast": wire.broadcast}
    default = WireSettings()
    if "top-k" not in names.values() and wire.top_k != default.top_k:
        raise ValueError(
            f'wire.top-k = {wire.top_k} is read with wire.upload = "top-k" or wire.broadcast = "top-k" alone; set one '
            "of them, or remove it"
        )
    for key, refused in (("upload", no_coded_upload), ("broadcast", no_coded_broadcast)):
        if names[key] != "float32" and (reason := refused(method, names[key])):
            raise ValueError(
                f'wire.{key} = "{names[key]}" is impossible with strategy.name = "{method.name}", which {reason}; '
                f"choose {_others(key, names[key], method)}"
            )
    if ranks and wire.broadcast != "float32":
        raise ValueError(
            f'wire.broadcast = "{wire.broadcast}" is impossible with adapter.client-ranks = '
            f'"{",".join(map(str, ranks))}": {_SEVERAL_RANKS}; set wire.broadcast = "float32", or '
            'adapter.client-ranks = ""'
        )
    if wire.upload == "float32":
        return
    given = f'wire.upload = "{wire.upload}"'
    if privacy.secure_sum:
        raise ValueError(
            f"{given} rounds what clients send, and privacy.secure-sum = true adds up masked numbers of a fixed point, "
            'which a codec would tear apart; set wire.upload = "float32", or privacy.secure-sum = false'
        )
    if upload == "summand":
        raise ValueError(
            f'{given} sends the change of each tensor, and strategy.upload = "{upload}" is a product of them that has '
            'none; set it to "tensors", or wire.upload = "float32"'
        )
    if wire.feedback and (reason := no_feedback(method)):
        raise ValueError(
            f'wire.feedback = true is impossible with strategy.name = "{method.name}", which {reason}; set it to '
            'false, wire.upload = "float32", or another strategy.name'
        )


def _others(key: str, name: CodecName, method: Method) -> str:
    """The codecs that would do, and another method."""
    refused = {"upload": no_coded_upload, "broadcast": no_coded_broadcast}[key]
    able = [other for other in CODECS if other != name and (other == "float32" or not refused(method, other))]
    methods = [other for other, cls in METHODS.items() if not refused(cls(), name)]
    return f"{' | '.join(able)}, or one of strategy.name = {' | '.join(methods)}"
