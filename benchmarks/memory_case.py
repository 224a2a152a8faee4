"""One head stage in a process of its own: python -m benchmarks.memory_case CHECKPOINT FACES STORE OUTPUT."""

from __future__ import annotations

import json
import os
import re
import resource
import sys
from pathlib import Path

from benchmarks.stages import feature_store


def main() -> None:
    """Runs the stage and prints the peak, as JSON, on the last line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from finetune import FineTuner, Stage

    checkpoint, faces, store, output = map(Path, sys.argv[1:])
    with feature_store(store):
        tuner = FineTuner(checkpoint, faces, output, cache="disk")
        tuner.run(Stage("head", train_from="Logits", epochs=2))
    print(json.dumps({"peak_mib": peak_mib()}))


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


if __name__ == "__main__":
    main()
