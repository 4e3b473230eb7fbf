"""Rows from files and from the hub: found, read, checked."""
