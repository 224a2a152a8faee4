"""Program that reads and augments images in one of two ways: `python -m benchmarks.input_case WAY CORES FOLDER`.

`FOLDER` holds a folder per format. The result is JSON: for each format, without and with rotation, the images
per second, the seconds of computing per image over all processes, and a digest of the pixels.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.dataset import processes, reading
from finetune.dataset.views import Viewer, draw_views
from finetune.images import Preprocessing, hash_image, reading as decoding
from finetune.paths import find_images
from finetune.recipe import Augment

BATCH, KEY, DEGREES = 90, 1234567, 10.0
ROTATIONS = {"no rotation": 0.0, "rotation": DEGREES}
Batches = Iterable[npt.NDArray[np.uint8]]
Way = Callable[[list[Path], list[int], Augment], Batches]


def main() -> None:
    """Read each folder once without and once with rotation, and print the figures."""
    way, cores, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    found = {}
    for images in sorted(folder.iterdir()):
        paths = list(find_images(images))
        checksums = [hash_image(path).checksum for path in paths]
        for name, degrees in ROTATIONS.items():
            augment = Augment(random_crop=True, random_flip=True, random_rotate=degrees)
            list(WAYS[way](paths[:BATCH], checksums[:BATCH], augment))  # starts what there is to start
            found[f"{images.name}, {name}"] = timed(WAYS[way](paths, checksums, augment), len(paths))
    print(json.dumps(found), flush=True)


def timed(batches: Batches, n: int) -> dict[str, Any]:
    """Read all batches of `n` images."""
    digest, start, used = hashlib.sha256(), time.perf_counter(), computing()
    for batch in batches:
        digest.update(np.ascontiguousarray(batch).data)
    seconds = time.perf_counter() - start
    return {"rate": n / seconds, "computing": (computing() - used) / n, "sha256": digest.hexdigest()}


def computing() -> float:
    """Return the seconds of computing of this process and of those that read images for it."""
    workers = running.pids if (running := processes.running(start=False)) else []
    ticks = 0
    for pid in workers:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _ours(paths: list[Path], checksums: list[int], augment: Augment) -> Batches:
    """Read images as finetune does; two processes and more are started however few the images are."""
    reading.MANY = 0
    order = np.arange(len(paths))
    viewer = Viewer(augment, KEY, Preprocessing(160))
    return reading.read_batches(draw_views(paths, order, KEY, augment, checksums), len(paths), viewer, BATCH)


def _tensorflow(paths: list[Path], checksums: list[int], augment: Augment) -> Iterator[npt.NDArray[np.uint8]]:
    """Read images as finetune did before, in TensorFlow's threads, and PNG files by Pillow."""
    from benchmarks import tensorflow_input

    setattr(decoding, "decode_plain_png", lambda *_: None)  # noqa: B010
    return tensorflow_input.batches(paths, np.arange(len(paths)), KEY, Preprocessing(160), augment, BATCH, checksums)


WAYS: dict[str, Way] = {"finetune": _ours, "tensorflow": _tensorflow}


if __name__ == "__main__":
    main()
