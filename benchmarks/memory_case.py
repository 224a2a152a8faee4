"""Program that runs one head stage: `python -m benchmarks.memory_case CHECKPOINT FACES STORE OUTPUT`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from benchmarks.peak import peak_mib
from benchmarks.stages import feature_store


def main() -> None:
    """Run the stage, and print the peak memory as JSON on the last line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from finetune import FineTuner, Stage

    checkpoint, faces, store, output = map(Path, sys.argv[1:])
    with feature_store(store):
        tuner = FineTuner(checkpoint, faces, output, cache="disk")
        tuner.run(Stage("head", train_from="Logits", epochs=2))
    print(json.dumps({"peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
