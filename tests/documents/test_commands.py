"""Commands in the documents are commands: each is parsed by the program that it calls, and its settings exist."""

import re
import tomllib

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from florg_app.cli.main import app as florg_app
from florg_app.config.parse import default_settings
from tests.support.documents import MANUAL, document
from tests.support.flower_internals import flwr_command, options_of, values_of
from tests.support.repository import REPOSITORY
from tests.support.warm_options import warm_options_of

MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
PLAIN = {"export", "mkdir", "cat", "cp", "sudo", "scp", "find", "git", "source", "bash"}
"""Words of the shell that are not looked into."""

PLACEHOLDERS = {"KEY", "NAME"}

MADE = {"ward/experiment.toml"}
"""Files that a command of the page makes before: `florg init ward`."""


def parsed_by(group, words):
    """The values of a command of a Typer application, parsed as it would be called; a name alone is only looked up."""
    name, *rest = words
    while isinstance(group.commands[name], TyperGroup):
        group, (name, *rest) = group.commands[name], rest
    return group.commands[name].make_context(name, rest).params if rest else {}


def check_florg(words):
    if words[0] == "supernode":
        warm_options_of(words[1:])
        return
    params = parsed_by(get_command(florg_app), words)
    for assignment in params.get("set_") or []:
        key = assignment.partition("=")[0]
        assert key in default_settings() or key in PLACEHOLDERS, key
    for file in params.get("config") or []:
        assert str(file) in MADE or (REPOSITORY / file).is_file(), file


def check_flwr(words):
    params = parsed_by(get_command(flwr_command), words)
    for given in params.get("run_config_overrides") or []:
        if given.endswith(".toml"):
            assert (REPOSITORY / given).is_file(), given
        else:
            assert values_of(given).keys() <= default_settings().keys(), given


def check_make(words):
    variables = [word for word in words if "=" in word]
    for target in (word for word in words if "=" not in word):
        assert re.search(rf"^{re.escape(target)}:", MAKEFILE, re.MULTILINE), f"make has no target {target}"
    for variable in variables:
        assert f"$({variable.partition('=')[0]})" in MAKEFILE, f"the Makefile does not read {variable}"


def check_python(words):
    assert words[0] == "-m", words
    module, *rest = words[1:]
    if module == "pip":
        check_pip(rest)
    elif module != "venv":
        assert (REPOSITORY / (module.replace(".", "/") + ".py")).is_file() or module in ("pytest",), module


def check_pip(words):
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words:
        if word.endswith(".txt"):
            assert (REPOSITORY / word).is_file(), word
        for extra in re.findall(r"^\.\[(.+)\]$", word):
            assert set(extra.split(",")) <= extras.keys(), extra


def check_docker(words):
    files = [words[at + 1] for at, word in enumerate(words) if word == "-f"]
    assert words[0] == "compose"
    assert [file for file in files if not (REPOSITORY / file).is_file()] == []


CHECKS = {
    "florg": check_florg,
    "flwr": check_flwr,
    "flower-superlink": lambda words: options_of("flower-superlink", words),
    "flower-supernode": lambda words: options_of("flower-supernode", words),
    "make": check_make,
    "python": check_python,
    "python3": check_python,
    "pip": check_pip,
    "docker": check_docker,
}
"""By the program: a check of the words that follow it."""

COMMANDS = [pytest.param(words, id=f"{page}: {' '.join(words[:4])}") for page in MANUAL for words in page.commands]


@pytest.mark.parametrize("words", COMMANDS)
def test_the_program_that_a_command_calls_accepts_it(words):
    while re.fullmatch(r"[A-Z_]+=\S*", words[0]):  # VARIABLE=value before a command
        words = words[1:]
    program, *rest = words
    if program in PLAIN:
        return
    assert program in CHECKS, f"nothing here checks commands of {program}"
    CHECKS[program](rest)


def test_commands_are_found_in_blocks_and_in_lines():
    programs = [words[0] for page in MANUAL for words in page.commands]
    assert {program: programs.count(program) > 1 for program in ("florg", "flwr", "make", "flower-superlink")} == {
        "florg": True, "flwr": True, "make": True, "flower-superlink": False,
    }  # fmt: skip
    assert len(programs) > 80


def test_the_table_of_commands_has_every_command_and_no_other():
    section = document("docs/running.md").section("The command florg")
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `florg ")]
    listed = [name for row in rows for name in re.findall(r"`florg ([a-z-]+)`", row)]
    assert sorted(listed) == sorted(get_command(florg_app).commands)


def test_the_table_of_node_configurations_has_what_the_commands_show_and_what_the_code_reads():
    page = document("docs/deployment.md")
    nodes = [words[words.index("--node-config") + 1] for words in page.commands if "--node-config" in words]
    shown = {key for node in nodes for key in values_of(node)}
    rows = page.text.split("| node configuration |")[1].split("\n\n")[0].splitlines()[2:]
    listed = set(re.findall(r"`([a-z-]+)`", "".join(row.split("|")[1] for row in rows)))
    assert listed == shown | {"validation-path"}  # files that few clients have apart
    code = "".join(
        path.read_text() for package in ("florg_app", "strategies") for path in (REPOSITORY / package).rglob("*.py")
    )
    assert [key for key in listed if f'"{key}"' not in code] == []
