"""A hook of mkdocs: files of the repository to which pages link, such as ../LOG.md, become part of the site.

On GitHub such links work as they stand. The site has no files beside docs/, so these are put into its folder
`repository/`, and the links of all pages are turned to them.
"""

import re
from collections.abc import Iterator
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

from scripts.pages import ROOT

PAGES, COPIES = "docs/", "repository/"
"""Where pages lie in the repository, and where the other files lie on the site."""

_LINK = re.compile(r"(\]\()(?![a-z]+:|#|/)([^)#\s]+)(#[^)\s]*)?(\))")
_CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to, and what these pages link to in turn."""
    found = [file.src_uri for file in files.documentation_pages()]
    while found:
        page = found.pop()
        text = (ROOT / repository_path(page)).read_text(encoding="utf-8")
        for target in link_targets(text, page):
            if not target.startswith(COPIES) or files.get_file_from_path(target):
                continue
            source = ROOT / repository_path(target)
            if source.is_file():
                added = File.generated(config, target, abs_src_path=str(source), inclusion=InclusionLevel.NOT_IN_NAV)
                files.append(added)
                found += [target] if added.is_documentation_page() else []
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with its links turned to where their targets are on the site; code is left alone."""
    here = page.file.src_uri

    def turned(link: re.Match[str]) -> str:
        target = relpath(site_path(link[2], here), dirname(here) or ".")
        return f"{link[1]}{target}{link[3] or ''}{link[4]}"

    return "".join(part if is_code else _LINK.sub(turned, part) for part, is_code in split_code(markdown))


def link_targets(markdown: str, page: str) -> list[str]:
    """Where on the site the relative links of a page lead."""
    words = "".join(part for part, is_code in split_code(markdown) if not is_code)
    return [site_path(link[2], page) for link in _LINK.finditer(words)]


def site_path(link: str, page: str) -> str:
    """Where on the site a link leads that stands on a page of the site."""
    path = normpath(join(dirname(repository_path(page)), link))
    return path.removeprefix(PAGES) if path.startswith(PAGES) else COPIES + path


def repository_path(page: str) -> str:
    """Where in the repository a file of the site is from."""
    return page.removeprefix(COPIES) if page.startswith(COPIES) else PAGES + page


def split_code(markdown: str) -> Iterator[tuple[str, bool]]:
    """The parts of a page in order, and whether each is code."""
    end = 0
    for code in _CODE.finditer(markdown):
        yield markdown[end : code.start()], False
        yield code[0], True
        end = code.end()
    yield markdown[end:], False
