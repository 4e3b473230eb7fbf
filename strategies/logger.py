"""Lines for the people who watch a run: Flower streams what its own logger says to `flwr log`."""

from logging import getLogger

FLOWER = "flwr"
"""The name of Flower's logger."""

log = getLogger(FLOWER).log
"""log(level, text, *values), as logging.Logger.log."""
