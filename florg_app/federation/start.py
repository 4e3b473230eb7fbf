"""The commands that start the two sides of a federation, and the scripts around them."""

import shlex
from collections.abc import Mapping, Sequence

from florg_app.certificates import CA_CERTIFICATE, CLIENT_KEY, SERVER_CERTIFICATE, SERVER_KEY
from florg_app.federation.description import Federation, Site

ENVIRONMENT: Mapping[str, str] = {
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Flower installs nothing, tells nobody and asks nobody."""


def superlink_words(port: int, keys: str, database: str) -> list[str]:
    """The command of the server; `keys`: the folder of its files, `database`: where it keeps what it has to do."""
    return [
        "flower-superlink",
        "--host=0.0.0.0",
        f"--port={port}",
        f"--ssl-ca-certfile={keys}/{CA_CERTIFICATE}",
        f"--ssl-certfile={keys}/{SERVER_CERTIFICATE}",
        f"--ssl-keyfile={keys}/{SERVER_KEY}",
        "--enable-supernode-auth",
        f"--database={database}",
    ]


def supernode_words(federation: Federation, site: Site, keys: str, data: str | None, state: str) -> list[str]:
    """The command of a client that stays in memory between messages, with the places of its files."""
    return [
        "florg",
        "supernode",
        f"--superlink={federation.server.address}",
        f"--root-certificates={keys}/{CA_CERTIFICATE}",
        f"--auth-supernode-private-key={keys}/{CLIENT_KEY}",
        f"--port={site.port}",
        f"--node-config={federation.node_config(site, data, state)}",
    ]


HERE = "@HERE@"
"""Stands for the folder of a script, which is known when it starts."""


def start_script(what: str, words: Sequence[str]) -> str:
    """A script that starts `words` in its own folder; HERE in them becomes that folder."""
    lines = [
        "#!/usr/bin/env bash",
        f"# Starts {what}, and ends with it. The programs of the project's .venv/bin have to be in PATH.",
        "set -eu",
        'cd "$(dirname "$0")"',
        "mkdir -p state",
        "export " + " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items()),
        "exec " + " \\\n  ".join(_at_run_time(word) for word in words),
    ]
    return "\n".join(lines) + "\n"


def _at_run_time(word: str) -> str:
    """The word for the shell, the folder filled in when it is read."""
    return '"$PWD"'.join(shlex.quote(part) if part else "" for part in word.split(HERE)) or "''"
