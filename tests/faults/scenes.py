"""All scenes."""

from tests.faults import clients, server, uploads

ALL = (*uploads.SCENES, *clients.SCENES, *server.SCENES)
