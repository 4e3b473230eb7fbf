"""The report as one HTML file that needs nothing else: no script, no network, pictures inside."""

import base64
from collections.abc import Mapping

from jinja2 import Environment, StrictUndefined

from florg_app.compare.report.report_model import Document
from florg_app.compare.report.tables import EMPTY

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1d21; --soft: #59626c; --paper: #fff; --line: #d9dee3; --band: #f4f6f8;
  --alert: #8a1c1c; --alert-paper: #fdecec; --link: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --soft: #9aa4ae; --paper: #15181b; --line: #343a40;
  --band: #1e2226; --alert: #ffb4b4; --alert-paper: #3a1616; --link: #7db7f5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; } h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--line); } h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 1rem 0; } a { color: var(--link); }
p { max-width: 60rem; margin: .5rem 0; } .note, figcaption { color: var(--soft); font-size: .875rem; }
.alert { background: var(--alert-paper); color: var(--alert); border-left: .3rem solid; padding: .6rem .9rem;
  font-weight: 600; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .65rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; min-width: 3.5rem; } thead th { border-bottom: 2px solid var(--soft); vertical-align: bottom;
  overflow-wrap: normal; }
td.number, th.number { text-align: right; overflow-wrap: normal; }
td.number { white-space: nowrap; } tbody tr:nth-child(even) { background: var(--band); }
figure { margin: 1rem 0; } figure img { max-width: 100%; height: auto; background: #fff; border-radius: 4px;
  padding: .5rem; }
@media print { :root { --ink: #000; --soft: #444; --paper: #fff; --line: #bbb; --band: #f4f4f4; --alert: #8a1c1c;
  --alert-paper: #fff; } body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  table { font-size: 7.5pt; } th, td { padding: .15rem .3rem; min-width: 0; } .wide { overflow: visible; }
  td.number { white-space: normal; }
  tr, figure { break-inside: avoid; } h2, h3 { break-after: avoid; } thead { display: table-header-group; } }
"""

_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ document.title }}</title>
<style>{{ style }}</style>
</head>
<body>
<header>
<h1>{{ document.title }}</h1>
<p class="note">{{ document.summary }}</p>
{% for alert in document.alerts %}<p class="alert" role="alert">{{ alert }}</p>
{% endfor %}</header>
<nav>{% for section in document.sections %}<a href="#{{ section.anchor }}">{{ section.title }}</a> {% endfor %}</nav>
<main>
{% for section in document.sections %}<section id="{{ section.anchor }}">
<h2>{{ section.title }}</h2>
{% for note in section.notes %}<p>{{ note }}</p>
{% endfor %}{% for table in section.tables %}<h3>{{ table.title }}</h3>
{% if not table.rows %}<p>{{ empty }}</p>{% else %}<div class="wide"><table id="table-{{ table.name }}">
<thead><tr>{% for column in table.columns %}
<th scope="col"{% if numeric(table, loop.index0) %} class="number"{% endif %}>{{ column.title }}</th>{% endfor %}
</tr></thead>
<tbody>{% for row in table.rows %}
<tr>{% for cell in row %}<td{% if cell.number %} class="number"{% endif %}>{% if cell.strong %}<strong>{{ cell.text }}\
</strong>{% else %}{{ cell.text }}{% endif %}</td>{% endfor %}</tr>{% endfor %}
</tbody></table></div>{% endif %}
{% for note in table.notes %}<p class="note">{{ note }}</p>
{% endfor %}{% endfor %}{% for picture in section.pictures %}<figure>
<img alt="{{ picture.title }}. {{ picture.text }}" src="data:image/svg+xml;base64,{{ images[picture.name] }}">
<figcaption>{{ picture.title }}. {{ picture.text }}</figcaption>
</figure>
{% endfor %}</section>
{% endfor %}</main>
</body>
</html>
"""


def as_html(document: Document, pictures: Mapping[str, bytes]) -> str:
    """The page; `pictures` are SVG files by the name of the picture. Everything said in the document is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    images = {name: base64.b64encode(svg).decode("ascii") for name, svg in pictures.items()}
    return environment.from_string(_TEMPLATE).render(
        document=document,
        style=_STYLE,
        images=images,
        empty=EMPTY,
        numeric=lambda table, index: all(row[index].number for row in table.rows),
    )
