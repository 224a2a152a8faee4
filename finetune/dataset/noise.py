"""The published filter of noisy data: images far from the centre of their class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats, Labels, class_means

BINS = 100


def distances_to_center(embeddings: Floats, labels: Labels) -> Floats:
    """Return the Euclidean distance of each image to the mean of its class, as `calculate_filtering_metrics.py` has it.

    Args:
        embeddings: of unit length, [n, E].
        labels: int64 [n].

    Returns:
        [n].
    """
    people, places = np.unique(labels, return_inverse=True)
    centers = class_means(embeddings, places, len(people))  # [people, E]
    distances: Floats = np.linalg.norm(embeddings - centers[places], axis=1)  # [n, E] -> [n]
    return distances


def threshold(distances: Floats, percentile: float) -> float:
    """The distance from which images are left out: `find_threshold` of `train_softmax.py`.

    It interpolates a histogram's cumulative share over the centres of its bins, so that even at 100 what lies in the
    outer half of the last bin is left out.

    Args:
        distances: [n], n from 1.
        percentile: of the images to keep, above 0, at most 100.
    """
    counts, edges = np.histogram(distances, BINS)
    cumulative = np.float32(np.cumsum(counts)) / np.float32(np.sum(counts))
    return float(np.interp(percentile * 0.01, cumulative, (edges[:-1] + edges[1:]) / 2))


def keep(distances: Floats, labels: Labels, percentile: float, min_images: int) -> npt.NDArray[np.bool_]:
    """Which images `filter_dataset` of `train_softmax.py` keeps.

    Images at the threshold and beyond are left out; then the people who lost an image and have fewer than
    `min_images` left. Who lost none stays, however few they have.

    Returns:
        bool [n].
    """
    kept = distances < threshold(distances, percentile)
    for person in np.unique(labels[~kept]):
        if np.count_nonzero(kept & (labels == person)) < min_images:
            kept[labels == person] = False
    return kept
