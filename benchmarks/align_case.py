"""Program that finds faces in photos in one of three ways: `python -m benchmarks.align_case WAY PHOTOS OUT`.

`benchmarks.processes.clocked` starts it and tells it when to begin.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.peak import peak_mib
from benchmarks.processes import READY
from finetune.images.reading import read_image
from finetune.paths import find_images

PACKAGE_BATCH = 64
"""Number of photos per call of the package `mtcnn`, which is slower with smaller batches."""


def main() -> None:
    """Prepare the work, wait for a line on stdin, do the work, and print its result and the peak memory as JSON."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    way, photos, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    work = WAYS[way](photos, out)
    print(READY, flush=True)
    sys.stdin.readline()
    print(json.dumps({"found": work(), "peak_mib": peak_mib()}), flush=True)


def _command(photos: Path, out: Path) -> Callable[[], int]:
    """Return a function that runs `finetune align` on files of photos and returns the number of crops written."""
    from finetune.cli import main

    def align(what: Path, where: Path) -> int:
        with contextlib.redirect_stdout(io.StringIO()):
            status = main(["align", str(what), str(where)])
        if status:
            raise SystemExit(status)
        return len(list(where.rglob("*.png")))

    align(find_images(photos)[0], out / "one")
    return lambda: align(photos, out / "all")


def _detector(photos: Path, _: Path) -> Callable[[], list[Any]]:
    """Return a function that runs finetune's detector on photos in memory and returns the boxes of each photo.

    It uses as many workers as `finetune align`.
    """
    from finetune.align.aligner import CHUNK
    from finetune.align.detector import Detector

    detector = Detector()
    images = [read_image(path) for path in find_images(photos)]
    chunks = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]

    def detect() -> list[Any]:
        with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
            return [faces.boxes.tolist() for found in pool.map(detector, chunks) for faces in found]

    detector(chunks[0])
    return detect


def _package(photos: Path, _: Path) -> Callable[[], list[Any]]:
    """Return a function that runs the package `mtcnn` on photos in memory and returns the boxes of each photo."""
    from mtcnn import MTCNN

    package = MTCNN()
    images = [read_image(path) for path in find_images(photos)]
    batches = [images[start : start + PACKAGE_BATCH] for start in range(0, len(images), PACKAGE_BATCH)]

    def detect(batch: list[Any]) -> list[Any]:
        found = package.detect_faces(batch, box_format="xyxy")
        return [[[int(side) for side in face["box"]] for face in faces] for faces in found]

    detect(batches[0])
    return lambda: [boxes for batch in batches for boxes in detect(batch)]


WAYS: dict[str, Callable[[Path, Path], Callable[[], Any]]] = {
    "command": _command,
    "detector": _detector,
    "package": _package,
}

if __name__ == "__main__":
    main()
