"""Replies changed at random and fed to the server's own code: `python -m tests.fuzz`."""
