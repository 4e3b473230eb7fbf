"""Subcommands of `florg` and what they print."""
