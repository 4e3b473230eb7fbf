"""Faults made by hand and by machine, each of which some test must notice: `python -m tests.mutants`."""
