"""Chat templates that ask for today's date get that of the settings, whatever day it is and wherever they are."""

from datetime import UTC, date, datetime, time
from functools import cache

ASKS = "strftime_now"
"""The function that transformers gives to templates: time formatted as by `strftime`, of the clock of this machine."""

_DIRECTIVES = "aAbBcdDeFgGhHIjklmMnpPrRStTuUVwWxXyYzZf"
_PERCENT = "\ue000"


@cache
def with_fixed_date(template: str, day: str) -> str:
    """The template with its own `strftime_now`, of midnight on `day` (ISO 8601), where it asks for the time at all.

    transformers offers no other way: what it is given for a template to call, it replaces by a text.
    """
    if ASKS not in template:
        return template
    moment = datetime.combine(date.fromisoformat(day), time())
    values = {f"%{letter}": moment.strftime(f"%{letter}") for letter in _DIRECTIVES}
    values |= {f"%-{letter}": moment.strftime(f"%{letter}").lstrip("0") or "0" for letter in "dmHIMSjyUWVuw"}
    values["%s"] = str(int(moment.replace(tzinfo=UTC).timestamp()))
    replaced = "".join(f" | replace({_literal(name)}, {_literal(value)})" for name, value in values.items())
    filled = f"format | replace('%%', '{_PERCENT}'){replaced} | replace('{_PERCENT}', '%')"
    # The line break is the one that Jinja takes away behind a block: the template begins at the start of a line.
    return f"{{% macro {ASKS}(format) %}}{{{{ {filled} }}}}{{% endmacro %}}\n{template}"


def _literal(text: str) -> str:
    """The text as Jinja writes it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\t", "\\t") + "'"
