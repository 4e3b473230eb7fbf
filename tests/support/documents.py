"""The documents as tests see them: pages with their links, anchors, blocks of code, and commands."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Template

from tests.support.repository import REPOSITORY

_CODE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\((?![a-z]+:)([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_HEREDOC = re.compile(r"<<(\w+)\n.*?^\1$", re.MULTILINE | re.DOTALL)

FILLED = {"SERVER": "localhost", "PWD": "/here"}
"""Variables of the shell in commands that are parsed and not run."""

RUN_ID = "RUN_ID"
"""What stands for the number of a run in commands."""


@dataclass(frozen=True)
class DocumentPage:
    """One Markdown file."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(REPOSITORY).as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def prose(self) -> str:
        """The page without its blocks of code."""
        return _CODE.sub("", self.text)

    @cached_property
    def links(self) -> list[str]:
        """Targets of links and pictures in this repository, with their anchors."""
        return _LINK.findall(_SPAN.sub("", self.prose))

    @cached_property
    def headings(self) -> list[str]:
        return _HEADING.findall(self.prose)

    @cached_property
    def anchors(self) -> list[str]:
        """Of the headings, as GitHub makes them."""
        return [github_anchor(heading) for heading in self.headings]

    @cached_property
    def spans(self) -> list[str]:
        """Code within the lines of the prose."""
        return _SPAN.findall(self.prose)

    def blocks(self, language: str) -> list[str]:
        """The blocks of code in this language."""
        return [code for found, code in _CODE.findall(self.text) if found == language]

    def section(self, heading: str) -> "str":
        """The text from a heading to the next one of its level."""
        found = re.search(rf"^(#+) {re.escape(heading)}$(.*?)(?=^\1 |\Z)", self.text, re.MULTILINE | re.DOTALL)
        assert found, f"{self} has no heading {heading}"
        return found[2]

    @cached_property
    def commands(self) -> list[list[str]]:
        """The words of every command: of the blocks of shell, and of spans that begin like one."""
        begin = ("florg ", "flwr ", "make ")
        spans = [span for span in self.spans if span.startswith(begin)]
        return [words for script in [*self.blocks("sh"), *spans] for words in shell_commands(script)]


def github_anchor(heading: str) -> str:
    """The anchor that GitHub gives to a heading that stands once on its page."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def shell_commands(script: str) -> Iterator[list[str]]:
    """The words of each line of a script; here-documents are left out, variables of FILLED filled in."""
    joined = _HEREDOC.sub("", script).replace("\\\n", " ")
    for line in Template(joined).safe_substitute(FILLED).splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield [words[0].removeprefix(".venv/bin/"), *("1" if word == RUN_ID else word for word in words[1:])]


def _pages() -> list[DocumentPage]:
    tops = sorted(path for path in REPOSITORY.glob("*.md"))
    return [DocumentPage(path) for path in [*tops, *sorted((REPOSITORY / "docs").glob("*.md"))]]


PAGES = [*_pages(), DocumentPage(REPOSITORY / "docker/README.md")]
"""Every Markdown page of the repository."""

RECORDS = ("LOG.md", "CHANGELOG.md")
"""Pages about the past, whose commands and settings were right when they were written."""

MANUAL = [page for page in PAGES if str(page) not in RECORDS]
"""Pages about the present."""


def document(name: str) -> DocumentPage:
    """The page with this place in the repository."""
    (found,) = [page for page in PAGES if str(page) == name]
    return found
