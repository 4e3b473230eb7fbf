"""What a repository says about itself: one version everywhere, a valid citation, hooks and templates that fit it."""

import re
import tomllib

import pytest
import yaml

from tests.support.repository import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
YAML = sorted(
    [*REPOSITORY.glob(".github/**/*.yml"), REPOSITORY / ".pre-commit-config.yaml", REPOSITORY / "CITATION.cff"]
)


def read_yaml(name):
    return yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))


def test_the_newest_version_of_the_changelog_is_that_of_the_project():
    headings = re.findall(r"^## (.+)$", (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    released = [heading.split()[0] for heading in headings if heading != "Unreleased"]
    assert released[0] == PROJECT["version"]


def test_citation_images_and_examples_have_the_version_of_the_project():
    assert read_yaml("CITATION.cff")["version"] == PROJECT["version"]
    found = {
        version
        for path in (REPOSITORY / "docker").rglob("*")
        if path.is_file()
        for version in re.findall(r"(?:FLORG_VERSION=|florg-(?:server|client):)(\d+\.\d+\.\d+)", path.read_text())
    }
    assert found == {PROJECT["version"]}


def test_the_citation_has_what_its_format_requires():
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert all(citation[key] for key in ("message", "title", "authors"))
    assert citation["license"] == PROJECT["license"]
    (paper,) = citation["references"]
    assert all(paper[key] for key in ("type", "title", "authors"))
    assert "2602.17095" in paper["url"]


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_files_for_the_forge_are_readable(path):
    assert yaml.safe_load(path.read_text(encoding="utf-8"))


def test_hooks_of_git_call_make_targets_and_nothing_else():
    (repository,) = read_yaml(".pre-commit-config.yaml")["repos"]
    entries = [hook["entry"].split() for hook in repository["hooks"]]
    assert entries
    assert [words for words in entries if words[0] != "make" or len(words) != 2] == []
    assert [target for _, target in entries if not re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)] == []
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}


def test_templates_of_issues_ask_for_something_and_have_a_name():
    templates = [path for path in (REPOSITORY / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    assert len(templates) >= 3
    for template in map(read_yaml, templates):
        assert template["name"]
        assert template["description"]
        fields = [field for field in template["body"] if field["type"] != "markdown"]
        assert any(field.get("validations", {}).get("required") for field in fields)
        assert len({field["id"] for field in fields}) == len(fields)


def test_dependabot_watches_folders_that_have_what_it_looks_for():
    places = {
        update["package-ecosystem"]: update["directory"] for update in read_yaml(".github/dependabot.yml")["updates"]
    }
    looked_for = {"pip": "pyproject.toml", "docker": "Dockerfile", "github-actions": ".github/workflows"}
    missing = [
        kind for kind, place in places.items() if not (REPOSITORY / place.strip("/") / looked_for[kind]).exists()
    ]
    assert missing == []
