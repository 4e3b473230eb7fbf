"""A translated experiment as a TOML file of ours."""

from pathlib import Path

from florg_app.commands.imports.translation import Lost, Translation
from florg_app.config.flat import to_toml
from florg_app.config.parse import parse_settings


def settings_file(found: Translation, source: Path) -> str:
    """The text of the file: settings by their dotted keys, then as comments what has no counterpart.

    Raises ValueError where a value is none that the setting may have here.
    """
    parse_settings(dict(found.settings))
    order = sorted(found.settings, key=lambda key: ("." in key, key))
    clients = f" --clients {found.clients}" if found.clients else ""
    lines = [
        f"# From {source.name} of {found.program}:  florg run --config THIS-FILE{clients}",
        *(f"# {note}" for note in found.notes),
        "",
        *(f"{key} = {to_toml(found.settings[key])}" for key in order),
    ]
    if found.lost:
        lines += ["", "# Without a counterpart:", *(f"# {lost_in_words(lost)}" for lost in found.lost)]
    return "\n".join(lines) + "\n"


def lost_in_words(lost: Lost) -> str:
    """A setting that has no counterpart, in one line."""
    return f"{lost.key} = {' '.join(str(lost.value).split())}: {lost.why}"
