"""Memory of this process: the peak of all of it, and what it holds beside the pages of files."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_mib() -> float:
    """Return the peak resident memory of this process so far, in MiB."""
    # Not ru_maxrss: on Linux, a process inherits a higher peak from its parent there.
    found = _status("VmHWM")
    if found is not None:
        return found
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def anonymous_mib() -> float | None:
    """Return the resident memory that belongs to no file, in MiB; None where the system does not tell it."""
    return _status("RssAnon")


def _status(name: str) -> float | None:
    """Return a figure of Linux' status of this process, in MiB."""
    status = Path("/proc/self/status")
    found = status.is_file() and re.search(rf"^{name}:\s+(\d+) kB", status.read_text(encoding="utf-8"), re.M)
    return int(found[1]) / 2**10 if found else None
