"""Which program a file is of, and what it says."""

import json
import tomllib
from pathlib import Path
from typing import Any

from florg_app.commands.imports.flowertune import from_flowertune
from florg_app.commands.imports.nvflare import from_nvflare, job_values
from florg_app.commands.imports.openfedllm import from_openfedllm
from florg_app.commands.imports.shell import command_line, flags
from florg_app.commands.imports.translation import Translation
from florg_app.config.runconfig import flatten_tables

KNOWN = (
    "FlowerTune's pyproject.toml, OpenFedLLM's args.json or a script with its main_sft.py, and of NVFlare's llm_hf a "
    "job's folder, its config_fed_client.json or config_fed_server.json, or a script with its job.py"
)
"""What can be read, in words."""


def translated(path: Path, method: str | None) -> Translation:
    """The experiment of a file or folder. Raises ValueError naming it where it is none that is known."""
    try:
        return _translated(path, method)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _translated(path: Path, method: str | None) -> Translation:
    if path.is_dir():
        files = sorted(path.rglob("config_fed_*.json"))
        if not files:
            raise ValueError(f"no config_fed_*.json is in there; expected {KNOWN}")
        return from_nvflare(job_values({str(file.relative_to(path)): _json(file) for file in files}))
    if path.suffix == ".toml":
        return _toml(tomllib.loads(path.read_text(encoding="utf-8")))
    if path.suffix == ".json":
        document = _json(path)
        if isinstance(document, dict) and "script_args" in document and "fed_args" in document:
            return from_openfedllm({**document["script_args"], **document["fed_args"]}, method)
        return from_nvflare(job_values({path.name: document}))
    script = path.read_text(encoding="utf-8")
    if (words := command_line(script, "main_sft.py")) is not None:
        return from_openfedllm(flags(words), method)
    for program in ("job.py", "llm_hf_fl_job.py", "sft_job.py"):
        if (words := command_line(script, program)) is not None:
            return from_nvflare(flags(words))
    raise ValueError(f"it is of none of the programs that are known; expected {KNOWN}")


def _toml(document: dict[str, Any]) -> Translation:
    app = document.get("tool", {}).get("flwr", {})
    config = app.get("app", {}).get("config")
    if not isinstance(config, dict):
        raise ValueError(f"it has no [tool.flwr.app.config]; expected {KNOWN}")
    flat = flatten_tables(config)
    if not any(key.startswith("model.lora.") for key in flat):
        raise ValueError(f"its [tool.flwr.app.config] has no model.lora; expected {KNOWN}")
    nodes = [
        value
        for key, value in flatten_tables(app.get("federations", {})).items()
        if key.endswith("num-supernodes") and isinstance(value, int)
    ]
    return from_flowertune(flat, nodes[0] if nodes else None)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"is no JSON: {error}") from error
