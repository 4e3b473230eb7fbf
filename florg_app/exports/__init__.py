"""A finished run as a folder that other programs load."""
