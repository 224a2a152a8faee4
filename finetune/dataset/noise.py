"""The published filter of noisy data, which leaves out images far from the centre of their class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats, Labels, class_means

BINS = 100


def distances_to_center(embeddings: Floats, labels: Labels) -> Floats:
    """Return each image's Euclidean distance to the mean of its class, as in `calculate_filtering_metrics.py`.

    Args:
        embeddings: embeddings of unit length, [n, E].
        labels: classes of the images, int64 [n].

    Returns:
        Distances, [n].
    """
    people, places = np.unique(labels, return_inverse=True)
    centers = class_means(embeddings, places, len(people))  # [people, E]
    distances: Floats = np.linalg.norm(embeddings - centers[places], axis=1)  # [n, E] -> [n]
    return distances


def threshold(distances: Floats, percentile: float) -> float:
    """Return the distance from which images are left out, as `find_threshold` of `train_softmax.py` does.

    The cumulative histogram is interpolated over the centres of its bins. Even at 100 the images in the outer half of
    the last bin are therefore left out.

    Args:
        distances: distances to the class centres, [n], with n of at least 1.
        percentile: percentage of images to keep, above 0, at most 100.
    """
    counts, edges = np.histogram(distances, BINS)
    cumulative = np.float32(np.cumsum(counts)) / np.float32(np.sum(counts))
    return float(np.interp(percentile * 0.01, cumulative, (edges[:-1] + edges[1:]) / 2))


def keep(distances: Floats, labels: Labels, percentile: float, min_images: int) -> npt.NDArray[np.bool_]:
    """Return which images are kept, as `filter_dataset` of `train_softmax.py` does.

    Images at or beyond the threshold are left out. People who lost an image that way and have fewer than `min_images`
    left are left out too. People who lost no image stay, however few images they have.

    Returns:
        True for each image that is kept, bool [n].
    """
    kept = distances < threshold(distances, percentile)
    for person in np.unique(labels[~kept]):
        if np.count_nonzero(kept & (labels == person)) < min_images:
            kept[labels == person] = False
    return kept
