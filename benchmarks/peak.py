"""How much memory this process has taken."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_mib() -> float:
    """Peak resident memory of this process so far."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Not ru_maxrss: Linux lets a started process inherit its parent's peak there, which is higher.
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"), re.M)
        if found:
            return int(found[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
