"""Links in the documents lead somewhere, on GitHub and on the site."""

import re

import pytest

from tests.support.documents import PAGES, DocumentPage

ALL_PAGES = pytest.mark.parametrize("page", PAGES, ids=str)


@ALL_PAGES
def test_every_link_leads_to_a_file_and_every_anchor_to_a_heading(page):
    lost = []
    for link in page.links:
        place, _, anchor = link.partition("#")
        target = (page.path.parent / place).resolve() if place else page.path
        if not target.exists() or (anchor and anchor not in DocumentPage(target).anchors):
            lost.append(link)
    assert lost == []


@ALL_PAGES
def test_anchors_are_unique_so_that_github_and_the_site_agree_on_them(page):
    linked = page.anchors if str(page) not in ("CHANGELOG.md", "LOG.md") else []
    assert len(set(linked)) == len(linked)


@ALL_PAGES
def test_headings_have_the_same_anchor_on_github_and_on_the_site(page):
    toc = pytest.importorskip("markdown.extensions.toc", reason="the extra `docs` is not installed")
    plain = [re.sub(r"`", "", heading) for heading in page.headings]
    linked = {link.partition("#")[2] for other in PAGES for link in other.links}
    assert [
        heading
        for heading, anchor in zip(plain, page.anchors, strict=True)
        if anchor in linked and toc.slugify(heading, "-") != anchor
    ] == []


def test_the_pages_are_found_and_linked():
    assert len(PAGES) > 18
    assert sum(len(page.links) for page in PAGES) > 80
