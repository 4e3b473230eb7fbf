"""What is not public in Flower is used in one file of the app, one of tests, and by the worker; it is as assumed."""

import ast
import logging
import re
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import flwr.app
import pytest
import ray.exceptions
from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from packaging.requirements import Requirement

from scripts.settings_table import ROOT
from strategies import flower_internals as internals
from strategies import logger
from tests.support.flower_internals import InMemoryGrid

PUBLIC = {"flwr.app", "flwr.clientapp", "flwr.serverapp", "flwr.serverapp.strategy", "flwr.serverapp.exception"}
FOLDERS = ("strategies", "clients", "florg_app", "bench", "examples", "scripts", "tests")
HOMES = {
    "strategies/flower_internals.py",
    "tests/support/flower_internals.py",
    "florg_app/warm/tasks.py",
    "florg_app/warm/resident.py",
}
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def public(module: str, name: str) -> bool:
    """Whether a public module says that this name of it is one to import."""
    listed = getattr(import_module(module), "__all__", None)
    return not private(name) and (listed is None or name in listed or f"{module}.{name}" in PUBLIC)


def touches(source: str) -> Iterator[str]:
    """Each use that a file makes of what is not public in Flower."""
    tree = ast.parse(source)
    theirs = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names if alias.name.split(".")[0] == "flwr"]
            theirs |= {alias.asname or alias.name.split(".")[0] for alias in node.names if alias.name in imported}
            yield from (f"import {name}" for name in imported if name not in PUBLIC)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "flwr":
            theirs |= {alias.asname or alias.name for alias in node.names}
            for name in (alias.name for alias in node.names):
                if f"{node.module}.{name}" not in PUBLIC and not (node.module in PUBLIC and public(node.module, name)):
                    yield f"from {node.module} import {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr) and root_of(node) in theirs:
            yield ast.unparse(node)
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("__dict__"):
            yield from (ast.unparse(node) for key in (node.slice,) if constant(key, private))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr"):
            yield from (ast.unparse(node) for key in node.args[1:2] if constant(key, private))
        elif constant(node, lambda text: bool(re.fullmatch(r"flwr(\.\w+)+", text)) and text not in PUBLIC):
            yield ast.unparse(node)


def constant(node: ast.AST, holds: Callable[[str], bool]) -> bool:
    return isinstance(node, ast.Constant) and holds(str(node.value))


def root_of(node: ast.expr) -> str | None:
    """The name with which a chain of attributes begins."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


@pytest.mark.parametrize(
    "source",
    [
        "import flwr.supercore.utils",
        "from flwr.common.logger import log",
        "from flwr.common import log",
        "from flwr import supercore",
        "from flwr.app import _x",
        "from flwr.app import message",
        "from flwr.app import Message as M\nM._checked = 1",
        "import flwr.app\nflwr.app.message._warning_tracker",
        'message.metadata.__dict__["_message_id"] = "1"',
        'setattr(message, "_content", None)',
        'patch("flwr.supercore.task_identity.TaskIdentity")',
    ],
)
def test_each_way_to_reach_what_is_not_public_is_noticed(source):
    assert list(touches(source))


def test_what_is_public_may_be_used_everywhere():
    assert not list(
        touches("import flwr.app\nfrom flwr import serverapp\nfrom flwr.serverapp.strategy import Strategy\n")
    )
    assert not list(
        touches("from flwr.app import Message\nself._x = Message.metadata.__doc__\ntext = '[tool.flwr.app]'\n")
    )


def test_no_other_file_touches_what_is_not_public_in_flower():
    assert len(FILES) > 300
    found = {str(path.relative_to(ROOT)): list(touches(path.read_text("utf-8"))) for path in FILES}
    del found[str(Path(__file__).relative_to(ROOT))]
    assert {name for name, used in found.items() if used} == HOMES, found


def test_each_flower_that_may_be_installed_is_named_as_tried():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (flower,) = [r for r in map(Requirement, project["dependencies"]) if r.name == "flwr"]
    allowed = [f"1.{minor}" for minor in range(100) if f"1.{minor}.0" in flower.specifier]
    assert f"Tried with flwr {' and '.join(allowed)}" in str(internals.__doc__)


def message():
    return Message(RecordDict({"config": ConfigRecord({"round": 1})}), 7, MessageType.TRAIN)


def test_a_message_needs_an_identity_that_lasts_as_long_as_the_block():
    with pytest.raises(RuntimeError, match="is not set"):
        message()
    with internals.task_identity():
        assert message().metadata.src_node_id == internals.SERVER_NODE
        with internals.task_identity():
            pass
        message()
    with pytest.raises(RuntimeError, match="is not set"):
        message()


def test_a_reply_names_the_message_that_was_given_an_id():
    with internals.task_identity():
        asked = message()
        assert asked.metadata.message_id == ""
        internals.assign_message_id(asked, "12")
        assert asked.metadata.message_id == "12"
        assert Message(RecordDict(), reply_to=asked).metadata.reply_to_message_id == "12"


def test_a_clients_exception_becomes_the_error_reply_of_flowers_own_runtimes():
    with internals.task_identity():
        asked = message()
        internals.assign_message_id(asked, "3")
        reply = internals.client_error(KeyError("x"), asked)
    assert reply.has_error()
    assert (reply.error.code, reply.error.reason) == (2, "<class 'KeyError'>:<''x''>")
    assert reply.metadata.reply_to_message_id == "3"


def test_a_content_can_be_replaced():
    with internals.task_identity():
        asked = message()
    asked.content = RecordDict()
    assert not asked.content


def test_the_logger_is_flowers_and_has_its_console_handler():
    assert flwr.app.__name__  # whoever logs has imported Flower
    assert internals.flower_logger() is logging.getLogger(logger.FLOWER)
    assert [type(handler).__name__ for handler in internals.flower_logger().handlers].count("ConsoleHandler") == 1


def test_the_home_of_flower_is_that_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("FLWR_HOME", str(tmp_path))
    assert internals.flower_home() == tmp_path
    monkeypatch.delenv("FLWR_HOME")
    assert internals.flower_home() == Path.home() / ".flwr"


def test_a_connection_is_read_and_refused_as_flower_does():
    read = internals.parse_connection
    plain = read({"address": "here:8000", "insecure": True}, "a")
    assert plain == internals.Connection("a", "here:8000", True, None)
    secure = read({"address": "there:8000", "root-certificates": "/etc/ca.crt"}, "b")
    assert secure == internals.Connection("b", "there:8000", False, "/etc/ca.crt")
    with pytest.raises(ValueError, match="absolute path"):
        read({"address": "there:8000", "root-certificates": "ca.crt"}, "c")


def test_a_secret_is_rebuilt_from_as_many_shares_as_the_threshold_says():
    secret = bytes(range(32))
    shares = internals.create_shares(secret, 3, 5)
    assert [len(share) for share in shares] == [52] * 5
    assert internals.combine_shares(shares[2:]) == secret


def test_the_grid_of_a_simulation_and_the_death_of_its_processes_are_named_as_in_flower_and_ray():
    assert InMemoryGrid.__name__ == internals.SIMULATED_GRID
    assert (
        f"{ray.exceptions.ActorDiedError.__module__}.{ray.exceptions.ActorDiedError.__name__}" == internals.DEAD_ACTOR
    )
