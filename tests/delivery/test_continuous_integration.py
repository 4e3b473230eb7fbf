"""Continuous integration runs what a person runs: make targets and nothing beside them."""

import re
import shlex
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from scripts.lowest_versions import EXTRAS, constraints, lowest
from scripts.settings_table import ROOT

# BaseLoader: YAML 1.1 reads the key `on` as true.
WORKFLOW = yaml.load((ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8"), yaml.BaseLoader)
JOBS = WORKFLOW["jobs"]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(PYPROJECT)["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
REQUIREMENTS = [
    Requirement(line)
    for lines in (PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in EXTRAS))
    for line in lines
]
STATIC = ["lint", "formatting", "types", "contracts"]


def prerequisites(target):
    (line,) = re.findall(rf"^{re.escape(target)}:(.*)$", MAKEFILE, re.M)
    return line.split("|")[0].split()


def recipe(target):
    (lines,) = re.findall(rf"^{re.escape(target)}:.*\n((?:\t.*\n)*)", MAKEFILE, re.M)
    return lines


def commands(job):
    return [shlex.split(step["run"]) for step in job["steps"] if "run" in step]


def targets(job):
    return [word for words in commands(job) for word in words[1:] if "=" not in word]


@pytest.mark.parametrize("name", JOBS)
def test_a_job_runs_targets_of_the_makefile_and_nothing_else(name):
    assert commands(JOBS[name])
    assert {words[0] for words in commands(JOBS[name])} == {"make"}
    assert [target for target in targets(JOBS[name]) if not re.search(rf"^{re.escape(target)}:", MAKEFILE, re.M)] == []


def test_every_change_is_tested_on_every_python_that_the_project_allows():
    allowed = SpecifierSet(PROJECT["requires-python"])
    versions = [f"3.{minor}" for minor in range(30) if f"3.{minor}" in allowed]
    assert JOBS["test"]["strategy"]["matrix"]["python"] == versions
    assert targets(JOBS["test"]) == ["browser", "test"]  # pages are opened there, and not skipped
    assert {"push", "pull_request"} <= WORKFLOW["on"].keys()


def test_the_command_for_a_fresh_clone_is_the_same():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert script.splitlines()[-1] == "exec make test"
    assert "\nmake test " in (ROOT / "README.md").read_text(encoding="utf-8")


def test_make_test_is_lint_formats_types_import_contracts_and_all_tests_without_a_gpu_or_a_deployment():
    assert prerequisites("test") == ["static", "tests"]
    assert prerequisites("static") == STATIC
    assert '-m "not gpu and not deployment"' in recipe("tests")
    tools = dict(zip(STATIC, ["ruff check", "ruff format --check", "basedpyright", "lint-imports"], strict=True))
    assert {target: recipe(target).strip() for target in STATIC} == {t: f"$(BIN)/{tool}" for t, tool in tools.items()}


def test_make_check_leaves_out_only_the_slow_tests():
    assert prerequisites("check") == ["static"]
    assert recipe("check").replace("not slow and ", "") == recipe("tests")


def test_one_job_has_the_lowest_python_and_the_lowest_versions_that_pyproject_allows():
    job = JOBS["lowest"]
    assert targets(job) == ["constraints-lowest.txt", "tests"]
    assert "CONSTRAINTS=constraints-lowest.txt" in commands(job)[-1]
    (setup,) = [step["with"]["python-version"] for step in job["steps"] if "python-version" in step.get("with", {})]
    assert setup == min(JOBS["test"]["strategy"]["matrix"]["python"], key=Version)
    pins = dict(line.split("==") for line in constraints(PYPROJECT).splitlines())
    assert f"-e '.[{','.join(EXTRAS)}]'" in MAKEFILE
    assert pins.keys() == {requirement.name for requirement in REQUIREMENTS}
    for requirement in REQUIREMENTS:
        assert pins[requirement.name] in requirement.specifier
        bounds = [bound.version for bound in requirement.specifier if bound.operator in (">=", "==")]
        assert bounds == [pins[requirement.name]]


def test_the_versions_that_are_installed_without_further_ado_are_allowed_ones():
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M))
    assert {requirement.name for requirement in REQUIREMENTS} <= pinned.keys()
    assert [str(r) for r in REQUIREMENTS if pinned[r.name] not in r.specifier] == []


def test_a_requirement_without_a_lower_bound_is_refused_by_name():
    assert lowest("flwr[simulation]>=1.41,<1.43") == "flwr==1.41"
    with pytest.raises(ValueError, match=r'"torch" has no lower bound; write it as "name>=version"'):
        lowest("torch")


def test_once_a_week_the_newest_versions_are_tried_whatever_the_constraints_say():
    job = JOBS["newest"]
    assert targets(job) == ["newest", "tests"]
    assert "github.event_name == 'schedule'" in job["if"]
    assert all(JOBS[name]["if"] == "github.event_name != 'schedule'" for name in JOBS.keys() - {"newest"})
    (when,) = WORKFLOW["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", when["cron"])
    (install,) = [line for line in recipe("newest").splitlines() if "pip install" in line]
    words = shlex.split(install)
    assert "--upgrade" in words
    assert "-c" not in words
    assert words[words.index("--upgrade") + 1 :] == ["flwr[simulation]", "transformers", "datasets"]
