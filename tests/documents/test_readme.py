"""The README says what is so: its table of settings, its annotated tree, its commands."""

import re
import shlex
from string import Template

import pytest
from flwr.common.config import parse_config_args
from flwr.superlink.cli.flower_superlink import _parse_args_run_superlink
from flwr.supernode.cli.flower_supernode import _parse_args_run_supernode
from typer.main import get_command

from florg_app.cli.main import app
from florg_app.config.flat import to_toml
from florg_app.config.parse import default_settings
from scripts.settings_table import ROOT, settings, updated

README = (ROOT / "README.md").read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_table_of_settings_is_up_to_date():
    assert updated(README, PYPROJECT) == README, "run: python -m scripts.settings_table"


def test_the_table_holds_every_setting_with_its_default_and_a_meaning():
    rows = settings(PYPROJECT)
    assert {key: default for key, default, _ in rows} == {
        key: to_toml(value) for key, value in default_settings().items()
    }
    assert [key for key, _, meaning in rows if not meaning] == []


def test_the_files_of_the_annotated_tree_exist():
    tree = README.split("```\nstrategies/ ")[1].split("```")[0]
    package, named = "strategies", []
    for line in tree.splitlines():
        if heading := re.match(r"(\w+)/", line):
            package = heading[1]
        named += [f"{package}/{name}" for name in re.findall(r"(?<![\w/])(\w+\.py)", line)]
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_links_to_files_lead_somewhere():
    links = re.findall(r"\]\((?!http|#)([^)]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def commands(*names):
    """The README's shell commands that begin with one of these names, in words."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.S)).replace("\\\n", " ")
    filled = Template(blocks).safe_substitute(SERVER="localhost", PWD="/here").replace(".venv/bin/", "")
    lines = [line for line in filled.splitlines() if line.split(" ")[0] in names]
    return [
        pytest.param(words, id=" ".join(words[:3])) for words in (shlex.split(line, comments=True) for line in lines)
    ]


@pytest.mark.parametrize("words", commands("flower-superlink", "flower-supernode"))
def test_flower_accepts_the_servers_and_the_clients_commands(words):
    parser = {"flower-superlink": _parse_args_run_superlink, "flower-supernode": _parse_args_run_supernode}[words[0]]()
    given = parser.parse_args(words[1:])
    if words[0] == "flower-supernode":
        shown = set(parse_config_args([given.node_config])) | {"validation-path"}  # files that few clients have apart
        assert shown == set(re.findall(r"`([a-z-]+)`", node_table()))


def node_table():
    return "".join(
        line.split("|")[1] for line in README.split("| node configuration |")[1].split("\n\n")[0].splitlines()[2:]
    )


@pytest.mark.parametrize("words", commands("florg"))
def test_florg_accepts_its_own_commands(words):
    words = [word for word in words[1:] if word != "..."]
    group = get_command(app)
    command = group.commands[words[0]]  # pyright: ignore[reportAttributeAccessIssue]
    command.make_context(words[0], words[1:])
