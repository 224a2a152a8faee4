"""Program that scans a folder of faces as a run does: `python -m benchmarks.known_case FOLDER`.

The seconds and the peak memory are printed as JSON on the last line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peak import peak_mib
from finetune.dataset import scan
from finetune.doctor import Thumbnails
from finetune.images import Records


def main() -> None:
    """Scan the folder, with the records that the cache keeps."""

    def inspect(paths: Sequence[Path]) -> Records:
        return Thumbnails(paths, kept=True).records

    before, start = peak_mib(), time.perf_counter()
    found = scan(sys.argv[1], inspect=inspect)
    seconds = time.perf_counter() - start
    print(json.dumps({"images": len(found.dataset), "seconds": seconds, "mib": peak_mib() - before}))


if __name__ == "__main__":
    main()
