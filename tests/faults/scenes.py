"""All scenes."""

from tests.faults import clients, identity, network, server, uploads

ALL = (*uploads.SCENES, *clients.SCENES, *identity.SCENES, *server.SCENES, *network.SCENES)
