"""All checks in order, each fed with the facts of this machine."""

import os
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from clients.quantized import missing_packages
from florg_app.config import runconfig
from florg_app.config.parse import parse_settings
from florg_app.config.settings import Settings
from florg_app.doctor import cuda, daemon, data, disk, model, superlink, versions
from florg_app.doctor.finding import Finding
from strategies.flower_internals import flower_home


def examine(
    app: Path,
    files: Iterable[Path],
    assignments: Iterable[str],
    connection: str | None,
    data_path: Path | None = None,
    validation_path: Path | None = None,
) -> Iterator[Finding]:
    """Every finding, as it is made. What settings are needed for is left out where they are unusable."""
    yield from versions.check_versions(_project(app))
    facts = cuda.look_at_cuda()
    yield cuda.check_cuda(facts)
    yield from daemon.check_daemons(daemon.find_daemons(), app)
    if connection is not None:
        yield from superlink.check_superlink(flower_home(), connection)
    try:
        config, _ = runconfig.gather_run_config(app, files, assignments)
        settings = parse_settings(config | runconfig.absolute_paths(config, Path.cwd()))
    except ValueError as error:
        yield Finding("problem", "settings", str(error), "florg run would say the same")
        return
    yield Finding("ok", "settings", f"{settings.strategy.name} on {settings.task.name} with {settings.model.name}")
    yield from _with_settings(settings, facts, data_path, validation_path)


def _with_settings(
    settings: Settings, facts: cuda.Cuda, data_path: Path | None, validation_path: Path | None
) -> Iterator[Finding]:
    yield cuda.check_devices({"client.device": settings.client.device, "server.device": settings.server.device})
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    files = model.weight_files(settings.model.name)
    yield model.check_model_files(settings.model.name, files, offline)
    if files:
        free = {"memory": psutil.virtual_memory().available, **dict(facts.devices[:1])}
        plain = settings.model.quantization == "none"
        yield from model.check_memory(files, settings.model.dtype if plain else settings.model.quantization, free)
    if settings.model.quantization != "none":
        yield model.check_quantized_model(settings.model.quantization, missing_packages(), bool(facts.devices))
    yield from data.check_data(settings, data_path, validation_path, offline)
    yield disk.check_disk(settings.output_dir or Path("runs"))


def _project(app: Path) -> dict[str, Any]:
    return tomllib.loads((app / "pyproject.toml").read_text(encoding="utf-8"))["project"]
