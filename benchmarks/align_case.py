"""Aligning photos in a process of its own: python -m benchmarks.align_case align|detect PHOTOS WORK."""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.memory_case import peak_mib


def main() -> None:
    """Prints the seconds, without Python's start and with everything traced, and the peak memory, as JSON."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    what, photos, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    import tensorflow as tf

    from finetune.align import align
    from finetune.align.aligner import CHUNK
    from finetune.align.detector import Detector
    from finetune.folders import find_images
    from finetune.images import read_image

    tf.config.threading.set_intra_op_parallelism_threads(1)  # as the command does
    paths = find_images(photos)
    images = [read_image(path) for path in (paths if what == "detect" else paths[:CHUNK])]
    detector = Detector()
    detector(images[:CHUNK])
    start = time.perf_counter()
    if what == "align":
        align(photos, work / "crops")
    else:
        chunks = [images[i : i + CHUNK] for i in range(0, len(images), CHUNK)]
        with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
            list(pool.map(detector, chunks))
    print(json.dumps({"seconds": time.perf_counter() - start, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main()
