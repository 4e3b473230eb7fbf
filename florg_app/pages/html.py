"""The report as one HTML file that needs nothing else: no script, no network, pictures inside."""

import base64
from collections.abc import Mapping

from jinja2 import Environment, StrictUndefined

from florg_app.pages.page_model import Document
from florg_app.pages.page_style import STYLE
from florg_app.pages.plot_style import DrawnPicture
from florg_app.pages.tables import EMPTY

_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ document.title }}</title>
<style>{{ style | safe }}</style>
</head>
<body>
{% macro sign(cell) %}<span class="{{ cell.kind }}"{% if cell.hint %} title="{{ cell.hint }}"{% endif %}>\
{{ cell.text }}</span>{% endmacro %}
{% macro written(cell) %}{% if cell.kind %}{{ sign(cell) }}{% elif cell.strong %}<strong>{{ cell.text }}</strong>\
{% else %}{{ cell.text }}{% endif %}{% endmacro %}
{% macro shape(table, index) %}{% if table.numeric[index] %} class="number"\
{% elif table.prose[index] %} class="prose"{% endif %}{% endmacro %}
{% macro tables(section) %}{% for table in section.tables %}<h3>{{ table.title }}</h3>
{% if not table.rows %}<p>{{ empty }}</p>{% else %}{% if table.legend %}<p class="legend">\
{% for cell in table.legend %}<span><span class="{{ cell.kind }}">{{ cell.text }}</span> {{ cell.hint }}</span> \
{% endfor %}</p>
{% endif %}<div class="scroll{% if table.legend %} signs{% endif %}" tabindex="0" role="region" \
aria-label="{{ table.title }}"><table id="table-{{ table.name }}">
<thead><tr>{% for column in table.columns %}
<th scope="col"{{ shape(table, loop.index0) }} style="--letters: {{ column.title | length }}">\
{{ column.title }}</th>{% endfor %}
</tr></thead>
<tbody>{% for row in table.rows %}
<tr>{% for cell in row %}<td{{ shape(table, loop.index0) }}>{{ written(cell) }}</td>{% endfor %}</tr>{% endfor %}
</tbody></table></div>{% endif %}
{% for note in table.notes %}<p class="note">{{ note }}</p>
{% endfor %}{% endfor %}{% endmacro %}
{% macro pictures(section) %}{% if section.pictures %}<div class="pictures">
{% for picture in section.pictures %}<figure{% if picture.across > 1 %} class="broad"{% endif %} \
style="--across: {{ picture.across }}">
<div class="pan"><picture>
<source media="(prefers-color-scheme: dark)" srcset="{{ source(picture.name, 'dark') }}">
<img alt="{{ picture.title }}. {{ picture.text }}" src="{{ source(picture.name, 'light') }}">
</picture></div>
<figcaption>{% if not picture.titled %}<strong>{{ picture.title }}.</strong> {% endif %}{{ picture.text }}</figcaption>
</figure>
{% endfor %}</div>
{% endif %}{% endmacro %}
<header>
<h1>{{ document.title }}</h1>
<p class="note">{{ document.summary }}</p>
{% for alert in document.alerts %}<p class="alert" role="alert">{{ alert }}</p>
{% endfor %}{% if document.key_figures %}<dl class="figures">{% for figure in document.key_figures %}
<div><dt>{{ figure.title }}</dt><dd class="value">{{ figure.value }}</dd>\
{% if figure.detail %}<dd class="detail">{{ figure.detail }}</dd>{% endif %}</div>{% endfor %}
</dl>
{% endif %}</header>
<nav>{% for section in document.sections %}<a href="#{{ section.anchor }}">{{ section.title }}</a> {% endfor %}</nav>
<main>
{% for section in document.sections %}<section id="{{ section.anchor }}">
<h2>{{ section.title }}</h2>
{% for note in section.notes %}<p>{{ note }}</p>
{% endfor %}{% if document.pictures_first %}{{ pictures(section) }}{{ tables(section) }}{% else %}{{ tables(section) }}\
{{ pictures(section) }}{% endif %}</section>
{% endfor %}</main>
</body>
</html>
"""


def as_html(document: Document, pictures: Mapping[str, DrawnPicture]) -> str:
    """The page; `pictures` by the name of the picture. Everything said in the document is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    shown = {(name, "light"): found.light for name, found in pictures.items()}
    shown |= {(name, "dark"): found.dark for name, found in pictures.items()}
    return environment.from_string(_TEMPLATE).render(
        document=document,
        style=STYLE,
        source=lambda name, paper: f"data:image/svg+xml;base64,{base64.b64encode(shown[name, paper]).decode('ascii')}",
        empty=EMPTY,
    )
