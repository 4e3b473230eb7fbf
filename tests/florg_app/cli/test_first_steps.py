"""What somebody types first: help with examples, completion, and a project for own rows that runs as written."""

import re
import shlex
import subprocess
import sys
import tomllib

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from florg_app.cli.completion import complete_setting
from florg_app.cli.examples import COMMAND_EXAMPLES
from florg_app.cli.init import PROJECTS
from florg_app.cli.main import app
from florg_app.config.parse import default_settings, parse_settings
from florg_app.config.runconfig import flatten_tables
from florg_app.tasks.registry import make_task
from strategies import METHODS
from tests.support.repository import REPOSITORY


def florg(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_every_command_has_examples():
    assert set(COMMAND_EXAMPLES) == set(get_command(app).commands)


@pytest.mark.parametrize("command", COMMAND_EXAMPLES)
def test_the_help_of_every_command_ends_with_two_examples_that_parse(command):
    output = florg(command, "--help").output
    words = " ".join(output.split())
    assert len(COMMAND_EXAMPLES[command]) == 2
    for example in COMMAND_EXAMPLES[command]:
        assert example in words
        program, name, *rest = shlex.split(example)
        assert (program, name) == ("florg", command)
        if command == "supernode":  # its options are those of another program
            continue
        params = get_command(app).commands[name].make_context(name, rest).params
        assert all(assignment.partition("=")[0] in default_settings() for assignment in params.get("set_") or [])
        assert all((REPOSITORY / file).is_file() for file in params.get("config") or [])
    assert words.index("Examples:") > words.index("--help")


def test_a_shell_completes_settings_and_methods(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    assert set(complete_setting("")) == {f"{key}=" for key in default_settings()}
    assert complete_setting("checkpoint.b") == ["checkpoint.best="]
    assert set(complete_setting("strategy.name=")) == {f"strategy.name={name}" for name in METHODS}
    assert complete_setting("strategy.name=fedi") == ["strategy.name=fedit"]
    asked = {"_FLORG_COMPLETE": "complete_bash", "COMP_WORDS": "florg run --set train.ep", "COMP_CWORD": "3"}
    result = CliRunner().invoke(app, [], prog_name="florg", env=asked)
    assert result.output.strip() == "train.epochs="


def test_completion_imports_nothing_heavy():
    code = "import sys, florg_app.cli.completion as c; c.complete_setting('a'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("task", PROJECTS)
def test_a_new_project_has_usable_settings_with_a_comment_each(task, tmp_path):
    result = florg("init", tmp_path / "new", "--task", task)
    assert result.exit_code == 0, result.output
    text = (tmp_path / "new/experiment.toml").read_text()
    config = flatten_tables(tomllib.loads(text))
    assert parse_settings(config).task.name == task
    explained = [line for line in text.splitlines() if re.match(r"[\w-]+ =", line) and "#" in line]
    assert len(explained) >= 8
    assert all(f"florg {command} " in result.output for command in ("partition", "doctor", "run", "export"))


@pytest.mark.parametrize("task", PROJECTS)
def test_the_made_up_rows_of_a_new_project_are_rows_of_its_task(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert florg("init", "new", "--task", task).exit_code == 0
    settings = parse_settings(flatten_tables(tomllib.loads((tmp_path / "new/experiment.toml").read_text())))
    found = make_task(settings)
    assert (len(found.rows("train")), len(found.rows("validation"))) == (64, 16)


@pytest.mark.parametrize("task", ["text", "text-pair"])
def test_the_commands_that_are_named_run_as_they_are_printed(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = florg("init", "new", "--task", task).output
    commands = [shlex.split(line)[1:] for line in printed.splitlines() if line.startswith("  florg ")]
    assert [words[0] for words in commands] == ["partition", "doctor", "run", "export"]
    for words in commands:
        fast = ["--inline"] if words[0] == "run" else []
        result = florg(*words, *fast)
        assert result.exit_code == 0, (words, result.output)
    assert (tmp_path / "new/run/adapter/adapter_config.json").exists()


def test_nothing_that_is_there_is_written_over_and_unknown_tasks_are_named(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/experiment.toml").write_text("seed = 9\n")
    again = florg("init", tmp_path / "mine")
    assert again.exit_code == 2
    assert "is there already, and nothing in it is changed" in again.stderr
    assert (tmp_path / "mine/experiment.toml").read_text() == "seed = 9\n"
    other = florg("init", tmp_path / "new", "--task", "squad")
    assert other.exit_code == 2
    assert "--task squad: expected text | text-pair | instruct" in other.stderr
    assert not (tmp_path / "new").exists()
