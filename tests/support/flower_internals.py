"""What tests alone use of Flower beside its public packages: its own readers of commands, keys, files and bundles.

The counterpart of strategies/flower_internals.py, which has what the application uses.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from flwr.app import Message, MetricRecord
from flwr.cli.app import app as flwr_command
from flwr.cli.build import build_fab_from_disk as build_bundle
from flwr.cli.config_utils import get_fab_metadata as bundle_metadata
from flwr.cli.supernode.register import try_load_public_key as registered_key
from flwr.common.args import try_obtain_root_certificates as root_certificates
from flwr.common.args import try_obtain_server_certificates as server_certificates
from flwr.common.config import parse_config_args
from flwr.supercore.cli.flower_superexec import _parse_args as _parse_args_superexec
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, no_object_id_recompute
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.superlink.cli.flower_superlink import _parse_args_run_superlink
from flwr.superlink.grid.inmemory_grid import InMemoryGrid
from flwr.supernode.cli.flower_supernode import _parse_args_run_supernode
from flwr.supernode.cli.flower_supernode import _try_setup_client_authentication as node_keys

__all__ = [
    "ENVELOPE",
    "InMemoryGrid",
    "build_bundle",
    "bundle_metadata",
    "flwr_command",
    "node_keys",
    "registered_key",
    "root_certificates",
    "server_certificates",
]

_PARSERS: Mapping[str, Callable[[], Any]] = {
    "flower-superlink": _parse_args_run_superlink,
    "flower-supernode": _parse_args_run_supernode,
    "flower-superexec": _parse_args_superexec,
}


def options_of(command: str, arguments: Sequence[str]) -> Any:
    """The options of a Flower command as it reads them. Raises SystemExit where it would refuse them."""
    return _PARSERS[command]().parse_args(arguments)


def values_of(text: str) -> dict[str, Any]:
    """The values of an option such as --node-config or --run-config: "key=value other-key='a text'"."""
    return dict(parse_config_args([text]))


def pack_objects(message: Message) -> dict[str, bytes]:
    """The message as the bytes that travel: one entry for each object of it, by id; its own is that of the message."""
    with no_object_id_recompute():
        return {name: each.deflate() for name, each in get_all_nested_objects(message).items()}


def unpack_objects(message_id: str, objects: dict[str, bytes]) -> Message:
    """What a grid makes of the bytes of a reply; raises whatever they bring about."""
    return cast(Message, inflate_object_from_contents(message_id, dict(objects)))


def put_unchecked(record: MetricRecord, name: str, value: object) -> None:
    """Set a value that the record would refuse."""
    record.__dict__["_data"][name] = value


ENVELOPE = (
    "run_id",
    "message_id",
    "src_node_id",
    "dst_node_id",
    "reply_to_message_id",
    "group_id",
    "created_at",
    "ttl",
    "message_type",
)
"""What a message says of itself beside its content."""


def set_unchecked(message: Message, name: str, value: object) -> None:
    """Have a message say something of ENVELOPE that Flower would refuse."""
    message.metadata.__dict__[f"_{name}"] = value


def claim_to_answer(reply: Message, message_id: str) -> None:
    """Have a reply say that it answers another message."""
    reply.metadata.__dict__["_reply_to_message_id"] = message_id
