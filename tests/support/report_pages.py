"""Reads what a comparison's report wrote."""

import csv
import html
import io
import re
from html.parser import HTMLParser

from florg_app.compare.report.results import read_comparison
from florg_app.compare.report.write import describe_comparison
from florg_app.pages.html import as_html
from florg_app.pages.tables import to_csv
from tests.support.comparisons import history

VOID = {"meta", "img", "br", "hr", "source"}


class Page(HTMLParser):
    """Tables of cells by their name, and what a page must not have; raises AssertionError where tags do not match."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tables, self.open, self.sources, self.text = {}, [], [], ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.sources += [found[name] for name in ("src", "srcset", "href") if name in found]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.rows = self.tables[found["id"].removeprefix("table-")] = []
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def markdown_tables(text):
    """By name, the cells of each pipe table; the link below a table names it."""
    tables, rows = {}, []
    for line in text.splitlines():
        if line.startswith("| "):
            cells = [html.unescape(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            rows.append([re.sub(r"\\(.)", r"\1", c.strip().removeprefix("**").removesuffix("**")) for c in cells])
        elif found := re.match(r"\[tables/(.*)\.csv\]", line):
            tables[found[1]], rows = [rows[0], *rows[2:]] if rows else [], []
    return tables


def scores(*finals):
    return {seed: history([0.4, 0.9 * final, final]) for seed, final in enumerate(finals, 1)}


def runs(variant, **labels):
    return {(variant, label, seed): records for label, found in labels.items() for seed, records in found.items()}


def described(folder):
    """The page without its pictures, and the rows of each CSV file by the name of the table."""
    document = describe_comparison(read_comparison(folder))
    rows = {table.name: list(csv.DictReader(io.StringIO(to_csv(table)))) for table in document.tables()}
    return Page(as_html(document, {})), rows
