"""What the machine offers this process."""

import os


def cores() -> int:
    """The cores that this process may use; all of the machine's where the system cannot say (macOS, Windows)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
