"""What travels between server and clients, and what of it is accepted."""
