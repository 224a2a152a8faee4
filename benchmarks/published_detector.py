"""The published detector on a list of photos, one by one: python published_detector.py SRC LIST, in TensorFlow 1.

SRC is the folder `src` of a clone of davidsandberg/facenet, which this project does not hold. Runs under Python 3.7.
Prints the seconds that the detection took, reading the photos included, without the first five.
"""

import os
import sys
import time
import warnings

WARM = 5


def main() -> None:
    """Detects with the settings of the published `align_dataset_mtcnn.py`."""
    source, listed = sys.argv[1:]
    warnings.filterwarnings("ignore")
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.path.insert(0, source)
    import numpy as np
    import tensorflow as tf
    from PIL import Image

    load = np.load
    np.load = lambda *arguments, **options: load(*arguments, **dict(options, allow_pickle=True))  # the clone's weights
    from align import detect_face

    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    with open(listed) as file:
        paths = file.read().splitlines()
    with tf.Graph().as_default():
        session = tf.compat.v1.Session()
        with session.as_default():
            networks = detect_face.create_mtcnn(session, None)
        for number, path in enumerate(paths[:WARM] + paths):
            if number == WARM:
                print("ready", flush=True)
                sys.stdin.readline()
                start = time.time()
            detect_face.detect_face(
                np.asarray(Image.open(path).convert("RGB")), 20, *networks, threshold=[0.6, 0.7, 0.7], factor=0.709
            )
    print(time.time() - start, flush=True)


if __name__ == "__main__":
    main()
