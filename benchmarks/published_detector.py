"""Program that runs the published detector, image by image: `python benchmarks/published_detector.py SRC LIST`.

SRC is the folder `src` of a clone of davidsandberg/facenet. LIST is a file of photos, one path per line. The program
runs in TensorFlow 1.15 and Python 3.7. `benchmarks.processes.clocked` starts it and tells it when to begin. Its result
is the boxes of each photo.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
from pathlib import Path

import numpy as np

MIN_FACE_SIZE, THRESHOLDS, FACTOR = 20, (0.6, 0.7, 0.7), 0.709
"""Settings of the published `align_dataset_mtcnn.py`."""


def main() -> None:
    """Decode the photos, detect the faces of one, wait for a line on stdin, and detect the faces of all."""
    source, photos = sys.argv[1:]
    sys.path[0] = source  # replaces this file's folder
    import tensorflow as tf
    from PIL import Image

    # The clone's weights are pickles, which newer NumPy refuses by default. They are as trustworthy as its code.
    np.load = functools.partial(np.load, allow_pickle=True)
    published = importlib.import_module("align.detect_face")
    images = [np.asarray(Image.open(path).convert("RGB")) for path in Path(photos).read_text("utf-8").splitlines()]
    with tf.Graph().as_default(), tf.compat.v1.Session().as_default() as session:
        networks = published.create_mtcnn(session, None)

        def detect(image: np.ndarray) -> list[list[float]]:
            boxes, _ = published.detect_face(image, MIN_FACE_SIZE, *networks, THRESHOLDS, FACTOR)
            return [[float(side) for side in box[:4]] for box in boxes]

        detect(images[0])
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps([detect(image) for image in images]), flush=True)


if __name__ == "__main__":
    main()
