"""Kubernetes objects of a federation: those of docker/kubernetes, filled in for each machine."""

import json
from collections.abc import Mapping, Sequence

from florg_app.federation.compose import client_arguments, server_arguments
from florg_app.federation.description import Federation, Site
from florg_app.federation.kubernetes_client import CLIENT_OBJECTS
from florg_app.federation.kubernetes_server import SERVER_OBJECTS

_MOUNT = """\
            - name: data
              mountPath: /data
              readOnly: true
"""

_VOLUME = """\
        - name: data
          persistentVolumeClaim:
            claimName: @NAME@-data
            readOnly: true
"""

_GPU = "              nvidia.com/gpu: 1\n"


def server_objects(federation: Federation, version: str) -> str:
    """The SuperLink: a service, a policy that lets pods of SuperNodes alone in, and a set of one pod."""
    parts = {
        "ARGS": _items(server_arguments()),
        "IMAGE": f"florg-server:{version}",
        "PORT": str(federation.server.port),
    }
    return _filled(SERVER_OBJECTS, parts)


def client_objects(federation: Federation, site: Site, version: str) -> str:
    """One client; its rows are in the claim NAME-data, which it reads only."""
    parts = {
        "ARGS": _items(client_arguments(federation, site)),
        "IMAGE": f"florg-client:{version}-{'cuda' if site.gpu else 'cpu'}",
        "GPU": _GPU if site.gpu else "",
        "MOUNT": _MOUNT if site.data_path else "",
        "VOLUME": _VOLUME if site.data_path else "",
        "NAME": site.name,
    }
    return _filled(CLIENT_OBJECTS, parts)


def _filled(text: str, parts: Mapping[str, str]) -> str:
    for name, part in parts.items():
        text = text.replace(f"@{name}@", part)
    return text


def _items(arguments: Sequence[str]) -> str:
    return "".join(f"            - {json.dumps(argument)}\n" for argument in arguments)
