"""What a shell completes beyond names of commands and options: settings, and the methods. Nothing heavy is imported."""

from pathlib import Path

from florg_app.config.runconfig import app_table, find_app, flatten_tables

METHOD_KEY = "strategy.name"


def complete_setting(incomplete: str) -> list[str]:
    """Return the settings that begin so, as KEY=; of strategy.name the methods. Nothing where there is no app."""
    try:
        keys = flatten_tables((app_table(find_app(Path.cwd())) or {}).get("config", {}))
    except ValueError:
        return []
    if incomplete.startswith(f"{METHOD_KEY}="):
        return [
            f"{METHOD_KEY}={name}" for name in _methods(list(keys)) if f"{METHOD_KEY}={name}".startswith(incomplete)
        ]
    return [f"{key}=" for key in keys if key.startswith(incomplete)]


def _methods(keys: list[str]) -> list[str]:
    """Those of the files of conf/methods, or else those that have settings of their own."""
    files = sorted((find_app(Path.cwd()) / "conf/methods").glob("*.toml"))
    own = dict.fromkeys(key.split(".")[1] for key in keys if key.startswith("strategy.") and key.count(".") == 2)
    return [file.stem for file in files] or list(own)
