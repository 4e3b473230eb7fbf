"""Compose files of one machine each, with the images of docker/."""

import json
from collections.abc import Sequence

from florg_app.certificates import CA_CERTIFICATE, CLIENT_KEY, SERVER_CERTIFICATE, SERVER_KEY
from florg_app.federation.description import Federation, Site
from florg_app.federation.start import superlink_words, supernode_words

KEYS_INSIDE, DATA_INSIDE, STATE_INSIDE = "/certs", "/data", "/state/memory"
"""Places in the containers."""

_SAFE = """\
    environment:
      HF_HUB_OFFLINE: "0"
    init: true
    read_only: true
    tmpfs:
      - /tmp
    cap_drop:
      - ALL
    security_opt:
      - no-new-privileges:true
    stop_grace_period: 30s
    restart: unless-stopped
"""

_GPU = """\
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              count: 1
              capabilities: [gpu]
"""


def server_arguments() -> list[str]:
    """What the server's image is started with."""
    return superlink_words(8000, KEYS_INSIDE, "/state/superlink.db")[1:]


def client_arguments(federation: Federation, site: Site) -> list[str]:
    """What the image of a client is started with; the port of its SuperNode is one in the container alone."""
    data = DATA_INSIDE if site.data_path else None
    words = supernode_words(federation, site, KEYS_INSIDE, data, STATE_INSIDE)[2:]
    return [word for word in words if not word.startswith("--port=")]


def server_compose(federation: Federation, version: str) -> str:
    """The SuperLink's machine."""
    server = federation.server
    mounts = [f"./{name}:{KEYS_INSIDE}/{name}:ro" for name in (CA_CERTIFICATE, SERVER_CERTIFICATE, SERVER_KEY)]
    mounts += ["state:/state", "outputs:/outputs", "cache:/cache"]
    ports = f"    ports:\n      - {json.dumps(f'{server.bind}:{server.port}:8000')}\n"
    return _file(
        "superlink", f"florg-server:{version}", server_arguments(), mounts, ports, ("state", "outputs", "cache")
    )


def client_compose(federation: Federation, site: Site, version: str) -> str:
    """The machine of a site."""
    mounts = [f"./{name}:{KEYS_INSIDE}/{name}:ro" for name in (CA_CERTIFICATE, CLIENT_KEY)]
    mounts += [f"{site.data_path}:{DATA_INSIDE}:ro"] if site.data_path else []
    mounts += ["state:/state", "cache:/cache"]
    arguments = client_arguments(federation, site)
    image = f"florg-client:{version}-{'cuda' if site.gpu else 'cpu'}"
    return _file("supernode", image, arguments, mounts, _GPU if site.gpu else "", ("state", "cache"))


def _file(
    service: str, image: str, arguments: Sequence[str], mounts: Sequence[str], more: str, volumes: Sequence[str]
) -> str:
    return (
        f"# docker compose up -d, in this folder, whose files user 10001 has to be able to read.\n\nservices:\n"
        f"  {service}:\n    image: {image}\n"
        f"    command:\n{_items(arguments)}    volumes:\n{_items(mounts)}{more}{_SAFE}\n"
        f"volumes:\n" + "".join(f"  {name}:\n" for name in volumes)
    )


def _items(texts: Sequence[str]) -> str:
    """A list of texts, quoted as JSON, which YAML reads."""
    return "".join(f"      - {json.dumps(text.replace('$', '$$'))}\n" for text in texts)
