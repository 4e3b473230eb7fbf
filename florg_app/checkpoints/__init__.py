"""A run on disk: the server's checkpoints, what clients keep, and how a run goes on from them."""
