"""What one client can learn of or do to the others: privacy and robust combination."""
