"""Where a run begins: from an adapter that is there, or from the clients' first gradient."""
