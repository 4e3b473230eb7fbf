"""What a client is beside its training: where its data and stores lie, and what leaves it."""
