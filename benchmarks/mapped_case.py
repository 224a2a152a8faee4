"""Program that searches a mapped file of embeddings: `python -m benchmarks.mapped_case EMBEDDINGS PROBES.npy K`.

The memory that the search adds is printed as JSON on the last line. Pages of the file don't count: the system takes
them back when it needs memory.
"""

from __future__ import annotations

import json
import sys
import threading

import numpy as np

from benchmarks.peak import anonymous_mib
from finetune.identification.mapped import map_embeddings
from finetune.identification.search import nearest

SECONDS_BETWEEN = 0.002


def main() -> None:
    """Search while a thread samples the memory."""
    gallery, probes, k = map_embeddings(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3])
    before, most, done = anonymous_mib(), [0.0], threading.Event()
    if before is None:
        print(json.dumps({"mib": None}))
        return

    def sample() -> None:
        while not done.wait(SECONDS_BETWEEN):
            most[0] = max(most[0], anonymous_mib() or 0)

    thread = threading.Thread(target=sample)
    thread.start()
    nearest(gallery, probes, k)
    done.set()
    thread.join()
    print(json.dumps({"mib": most[0] - before}))


if __name__ == "__main__":
    main()
