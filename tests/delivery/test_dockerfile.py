"""The Dockerfile by rules: small, pinned, not root, healthy; and its helpers do what it relies on."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from scripts.settings_table import ROOT
from tests.support.compose import DOCKER
from tests.support.dockerfile import instructions, stages

FILE = DOCKER / "Dockerfile"
STAGES = stages(FILE)
FINAL = [STAGES["server"], STAGES["client"]]
UID = "10001"


def shell(stage):
    return [rest for keyword, rest in stage.instructions if keyword == "RUN"]


def test_the_base_image_is_pinned_to_a_patch_version_and_slim():
    (default,) = [rest for keyword, rest in instructions(FILE) if keyword == "ARG" and rest.startswith("PYTHON_IMAGE=")]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.1[123]\.\d+-slim-\w+", default)
    assert {stage.base for stage in STAGES.values()} <= {"${PYTHON_IMAGE}", *STAGES}
    assert "latest" not in FILE.read_text()


@pytest.mark.parametrize("stage", FINAL, ids=lambda stage: stage.name)
def test_the_process_is_a_fixed_user_that_is_not_root(stage):
    assert stage.user == f"{UID}:{UID}"
    assert f"--uid {UID}" in "".join(shell(STAGES["base"]))
    assert "USER" not in [keyword for keyword, _ in stage.instructions]


@pytest.mark.parametrize("stage", FINAL, ids=lambda stage: stage.name)
def test_the_process_is_started_directly_and_asked_for_its_health(stage):
    command = {"server": ["flower-superlink"], "client": ["python", "-m", "warm"]}[stage.name]
    assert stage.entrypoint == command
    assert stage.healthcheck.endswith('CMD ["python", "/opt/florg/health.py"]')
    assert stage.workdir in stage.owned
    assert ("EXPOSE", "8000") in stage.instructions or stage.name == "client"


def test_nothing_is_added_from_the_network_but_packages_and_no_caches_are_left():
    assert "ADD" not in {keyword for keyword, _ in instructions(FILE)}
    for stage in STAGES.values():
        for command in shell(stage):
            assert not re.search(r"\b(curl|wget)\b", command)
            assert "pip install" not in command or "--no-cache-dir" in command
            assert "apt-get install" not in command or "rm -rf /var/lib/apt/lists/*" in command


def test_no_secret_and_no_code_of_the_app_enters_the_image():
    copied = {
        source
        for stage in STAGES.values()
        for keyword, rest in stage.instructions
        if keyword == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().split()
    assert ignored[0] == "*"
    assert copied == {line.removeprefix("!") for line in ignored[1:]}
    assert [source for source in copied if not (ROOT / source).exists()] == []
    build = {"pyproject.toml", "constraints.txt", "docker/requirements.py"}
    assert copied == {*build, "docker/health.py", "florg_app/warm"}


def test_the_worker_of_the_image_runs_without_the_app(tmp_path):
    """It is copied beside the health check, and found by PYTHONPATH."""
    shutil.copytree(ROOT / "florg_app/warm", tmp_path / "warm")
    code = "import sys; sys.argv = ['warm', '--help']; import runpy; runpy.run_module('warm', run_name='__main__')"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "florg supernode" in done.stdout
    (client,) = [stage for stage in FINAL if stage.name == "client"]
    assert client.env["PYTHONPATH"] == "/opt/florg"
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else alias.name
        for file in (ROOT / "florg_app/warm").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not [name for name in imported if str(name).split(".")[0] in ("florg_app", "strategies", "clients")]


def test_all_dependencies_are_installed_at_the_versions_of_the_constraints():
    (install,) = shell(STAGES["build"])
    assert "-c constraints.txt -r requirements.txt" in install
    arguments = [DOCKER / "requirements.py", ROOT / "pyproject.toml"]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = done.stdout.splitlines()
    assert len(listed) == len(project["dependencies"])
    (flower,) = [line for line in project["dependencies"] if line.startswith("flwr[simulation]")]
    assert flower.replace("[simulation]", "") in listed  # no Ray in an image
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert [line for line in listed if re.split(r"[\[<>=]", line)[0] not in pinned] == []


def test_python_is_compiled_once_since_every_message_starts_a_process():
    (install,) = shell(STAGES["build"])
    assert "--no-compile" not in install
    assert all("PYTHONDONTWRITEBYTECODE" not in stage.env for stage in FINAL)


def test_an_unknown_variant_ends_the_build():
    (install,) = shell(STAGES["build"])
    case = re.search(r"case .* esac", install)
    assert case is not None
    for variant, code, index in (("cpu", 0, "whl/cpu"), ("cuda", 0, ""), ("rocm", 1, "")):
        script = f'VARIANT={variant}; {case[0]}; echo "$index"'
        done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert index in done.stdout
