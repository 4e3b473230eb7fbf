"""What `florg run` takes over from the run that it goes on with: settings, folder, clients and what they keep."""

import hashlib
import shutil
from pathlib import Path

from clients.atomic_files import write_atomically
from florg_app.config.runconfig import RunConfig
from florg_app.reports.json_text import json_document, read_json_object

CLIENTS = "clients"
"""Folder, in that of a simulated run, of what its clients keep to themselves."""

SIMULATION = "simulation.json"
"""File, in the folder of a simulated run, with the number of clients among which its rows are divided."""


def resumed_run_config(
    config: RunConfig, overrides: RunConfig, folder: Path | None
) -> tuple[RunConfig, RunConfig, Path]:
    """(every setting, what Flower has to be told, folder) of the run that `resume-from` continues on this machine.

    A run named by its path keeps the settings that it had, but for those in `overrides`. Only headers are read: the
    server reads the tensors, and says which checkpoints are damaged. Raises ValueError.
    """
    from florg_app.checkpoints import resume, run_folder
    from florg_app.config.parse import flatten_settings, parse_settings
    from florg_app.engines.client_files import require_client_files
    from florg_app.reports.history import read_history_if_any

    earlier: RunConfig = {}
    if config["resume-from"] != resume.LATEST:
        earlier = flatten_settings(resume.settings_of(Path(str(config["resume-from"])).absolute()))
    own = {key: value for key, value in earlier.items() if config.get(key) != value and key not in overrides}
    own.pop("output-dir", None)
    overrides = own | overrides | ({"output-dir": str(folder)} if folder else {})
    settings = parse_settings({**config, **overrides})
    source = resume.locate_run(settings)
    header = resume.find_header(settings, source)
    require_client_files(header, read_history_if_any(header.path.parent))
    overrides["resume-from"] = str(source)
    return config | overrides, overrides, run_folder.run_folder_of(header, folder)


def source_folder(resume_from: str) -> Path:
    """The folder of the run that a settled `resume-from` names."""
    path = Path(resume_from)
    return path if path.is_dir() else path.parent


def copy_clients(source: Path, folder: Path) -> None:
    """What simulated clients keep to themselves goes along where a run continues in another folder."""
    if source != folder and (source / CLIENTS).is_dir():
        shutil.copytree(source / CLIENTS, folder / CLIENTS, dirs_exist_ok=True)


def num_clients(config: RunConfig, given: int | None, default: int) -> int:
    """How many clients to simulate: as many as a run had that is gone on with, since they divide its rows.

    Raises ValueError where `given` is another number, or nobody knows the run's own.
    """
    source = str(config.get("resume-from") or "")
    if not source:
        return given or default
    folder = source_folder(source)
    if given is not None and not (folder / SIMULATION).exists():
        return given
    try:
        had = clients_of(folder)
    except ValueError as error:
        raise ValueError(f"{error}; name it with --clients") from error
    if given not in (None, had):
        raise ValueError(f"--clients {given}: the run had {had} clients, and its rows are divided among them; omit it")
    return had


def clients_of(folder: Path) -> int:
    """How many clients a simulated run had. Raises ValueError where its folder does not say so."""
    file = folder / SIMULATION
    try:
        found = read_json_object(file)
    except OSError as error:
        raise ValueError(
            f"{folder} does not say how many clients divided its rows ({SIMULATION}: {error.strerror})"
        ) from error
    count = found.get("clients")
    sealed = found.keys() == {"clients"} or found.get("sha256") == _seal(count)  # earlier versions wrote it alone
    if type(count) is not int or count < 1 or not sealed:
        raise ValueError(f"{file} is damaged, so that nobody knows how many clients divided the rows: {found}")
    return count


def note_clients(folder: Path, num_clients: int) -> None:
    """Write down what `num_clients` reads. Raises OSError."""
    document = {"clients": num_clients, "sha256": _seal(num_clients)}
    write_atomically(folder / SIMULATION, lambda path: path.write_bytes(json_document(document)))


def _seal(count: object) -> str:
    """Another digit is as easily read as the right one."""
    return hashlib.sha256(f"{count} clients".encode()).hexdigest()
