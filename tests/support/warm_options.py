"""The options of `florg supernode`: those that it reads itself, and Flower's, which it hands on."""

from collections.abc import Sequence
from typing import Any

from florg_app.warm import supernode
from tests.support.flower_internals import options_of


def warm_options_of(arguments: Sequence[str]) -> Any:
    """What Flower's SuperNode is told. Raises SystemExit where it, or `florg supernode`, would refuse an option."""
    own, handed_on = supernode.parser().parse_known_args(list(arguments))
    return options_of("flower-supernode", [*handed_on, "--host", own.host, "--port", str(own.port)])


def options_behind(entrypoint: Sequence[str], arguments: Sequence[str]) -> Any:
    """The options of what an image starts."""
    if list(entrypoint) == ["python", "-m", "warm"]:
        return warm_options_of(arguments)
    (command,) = entrypoint
    return options_of(command, arguments)
