"""The most memory that a process has had."""

from resource import RUSAGE_SELF, getrusage


def peak_bytes() -> int:
    """Return the most resident memory that this process has had (Linux counts it in kB)."""
    return 1024 * getrusage(RUSAGE_SELF).ru_maxrss
