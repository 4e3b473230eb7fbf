"""The Flower application: server and clients, data and tasks, commands."""

__project__ = "florg-app"
