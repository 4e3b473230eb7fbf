"""What goes wrong in a deployment, shown with real processes: `python -m tests.faults` prints fault, expected, seen."""
