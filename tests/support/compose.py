"""Compose files as Docker Compose reads them: variables filled in, `extends` resolved, volumes merged by target."""

import re
from typing import Any

import yaml
from flwr.app import Context, RecordDict

from florg_app.client_app import partition_of
from tests.support.repository import REPOSITORY

DOCKER = REPOSITORY / "docker"
VARIABLE = re.compile(r"\$\{([^}]*)\}")


def example_variables() -> dict[str, str]:
    """The assignments of .env.example."""
    lines = (DOCKER / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def load(name: str, values: dict[str, str]) -> dict[str, Any]:
    """A compose file with its services complete. Raises KeyError for a variable without a value."""
    document = yaml.safe_load(_filled((DOCKER / name).read_text(encoding="utf-8"), values))
    for service, own in document["services"].items():
        document["services"][service] = _extended(own, values)
    return document


def partition(node_config: dict[str, Any]) -> tuple[int, int]:
    """(which, of how many), as the ClientApp reads them from a node configuration."""
    return partition_of(Context(run_id=1, node_id=2, node_config=node_config, state=RecordDict(), run_config={}))


def target(volume: str) -> str:
    """/certs of ${CERTS}/server:/certs:ro."""
    return volume.split(":")[1]


def _extended(service: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    if "extends" not in service:
        return service
    base = load(service["extends"]["file"], values)["services"][service["extends"]["service"]]
    return _merged(base, {key: value for key, value in service.items() if key != "extends"})


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in own.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            result[key] = _merged(base[key], value)
        elif key == "volumes":
            result[key] = list({target(volume): volume for volume in [*base.get(key, []), *value]}.values())
        elif isinstance(value, list) and key != "command":
            result[key] = [*base.get(key, []), *value]
        else:
            result[key] = value
    return result


def _filled(text: str, values: dict[str, str]) -> str:
    return VARIABLE.sub(lambda found: values[found[1]], text)
