"""Units of systemd, which start a side of a federation with its machine and start it again where it fails."""

from collections.abc import Sequence

from florg_app.federation.start import ENVIRONMENT

STATE = "/var/lib/florg"
"""What StateDirectory=florg is: database or memory, results, models of the hub."""

KEYS_FOLDER = "/etc/florg"
"""Where the folder of a machine is copied to."""

SERVER_UNIT, CLIENT_UNIT = "florg-superlink.service", "florg-supernode.service"


def systemd_unit(what: str, project: str, words: Sequence[str]) -> str:
    """The text of a unit; `project`: the folder whose .venv has the programs."""
    program, *rest = words
    variables = {**ENVIRONMENT, "FLWR_HOME": f"{STATE}/flwr", "HF_HOME": f"{STATE}/cache"}
    environment = "\n".join(f"Environment={name}={value}" for name, value in variables.items())
    return f"""\
[Unit]
Description={what}
After=network-online.target
Wants=network-online.target

[Service]
User=florg
StateDirectory=florg
WorkingDirectory={STATE}
{environment}
ExecStart={" ".join([_quoted(f"{project}/.venv/bin/{program}"), *map(_quoted, rest)])}
Restart=on-failure
RestartSec=10
TimeoutStopSec=30
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
"""


def _quoted(word: str) -> str:
    """A word as systemd reads it: its own signs doubled, in quotation marks where it has others than of a path."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return plain if word and not set(word) - _PLAIN else f'"{plain}"'


_PLAIN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./:@+,")
