"""What a client does with a model: adapters in its layers, and their training."""

__project__ = "florg-app"
