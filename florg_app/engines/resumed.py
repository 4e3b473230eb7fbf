"""What `florg run` takes over from the run that it goes on with: settings, folder, clients and what they keep."""

import json
import shutil
from pathlib import Path

from florg_app.config.runconfig import RunConfig

CLIENTS = "clients"
"""Folder, in that of a simulated run, of what its clients keep to themselves."""

SIMULATION = "simulation.json"
"""File, in the folder of a simulated run, with the number of clients among which its rows are divided."""


def resumed_run_config(
    config: RunConfig, overrides: RunConfig, folder: Path | None
) -> tuple[RunConfig, RunConfig, Path]:
    """(every setting, what Flower has to be told, folder) of the run that `resume-from` continues on this machine.

    A run named by its path keeps the settings that it had, but for those in `overrides`. Raises ValueError.
    """
    from florg_app.checkpoints import resume, run_folder
    from florg_app.checkpoints.run_checkpoint import read_run_header
    from florg_app.config.parse import flatten_settings, parse_settings

    earlier: RunConfig = {}
    if config["resume-from"] != resume.LATEST:
        earlier = flatten_settings(
            read_run_header(resume.locate_checkpoint(parse_settings({"resume-from": config["resume-from"]}))).settings
        )
    own = {key: value for key, value in earlier.items() if config.get(key) != value and key not in overrides}
    own.pop("output-dir", None)
    overrides = own | overrides | ({"output-dir": str(folder)} if folder else {})
    saved = resume.find_checkpoint(parse_settings({**config, **overrides}))
    assert saved is not None
    overrides["resume-from"] = str(saved.path)
    return config | overrides, overrides, run_folder.run_folder_of(saved, folder)


def copy_clients(source: Path, folder: Path) -> None:
    """What simulated clients keep to themselves goes along where a run continues in another folder."""
    if source != folder and (source / CLIENTS).is_dir():
        shutil.copytree(source / CLIENTS, folder / CLIENTS, dirs_exist_ok=True)


def num_clients(config: RunConfig, given: int | None, default: int) -> int:
    """How many clients to simulate: as many as a run had that is gone on with, since they divide its rows.

    Raises ValueError where `given` is another number.
    """
    source = str(config.get("resume-from") or "")
    file = Path(source).parent / SIMULATION
    if not source or not file.exists():
        return given or default
    had = int(json.loads(file.read_text(encoding="utf-8"))["clients"])
    if given not in (None, had):
        raise ValueError(f"--clients {given}: the run had {had} clients, and its rows are divided among them; omit it")
    return had


def clients_of(folder: Path) -> int:
    """How many clients a simulated run had. Raises ValueError where its folder does not say so."""
    try:
        return int(json.loads((folder / SIMULATION).read_text(encoding="utf-8"))["clients"])
    except OSError as error:
        raise ValueError(
            f"{folder} does not say how many clients divided its rows ({SIMULATION}: {error.strerror}), so that the "
            "union of what they held out is unknown"
        ) from error


def note_clients(folder: Path, num_clients: int) -> None:
    """Write down what `num_clients` reads. Raises OSError."""
    text = json.dumps({"clients": num_clients}) + "\n"
    (folder / SIMULATION).write_text(text, encoding="utf-8")
