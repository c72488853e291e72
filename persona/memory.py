"""The memory that this process has taken."""

from __future__ import annotations

from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_memory() -> float:
    """The most that this process has held at once, MiB.

    Linux's ru_maxrss begins at what the parent held when it started this process; VmHWM is this one's own.
    """
    if _STATUS.exists():
        return int(_STATUS.read_text().partition("VmHWM:")[2].split()[0]) / 2**10
    import resource  # which not every system has

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes
