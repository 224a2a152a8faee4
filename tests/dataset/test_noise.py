"""The published filter equals a restatement of its loops."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.dataset import noise


def published(distances, labels, percentile, min_images):
    """Return the images that the two functions of the published script keep, found image by image."""
    counts, edges = np.histogram(distances, 100)
    share, shares = 0, []
    for count in counts:
        share += count
        shares.append(np.float32(share) / np.float32(len(distances)))
    bound = np.interp(percentile * 0.01, shares, [(a + b) / 2 for a, b in pairwise(edges)])
    left = {label: [i for i in range(len(labels)) if labels[i] == label] for label in set(labels.tolist())}
    removed = set()
    for i in range(len(labels)):
        if distances[i] >= bound:
            left[labels[i]].remove(i)
            if len(left[labels[i]]) < min_images:
                removed.add(labels[i])
    return sorted(i for label, images in left.items() if label not in removed for i in images)


@settings(max_examples=80)
@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.sampled_from([50, 80.5, 95, 99, 100]), st.integers(0, 4))
def test_it_keeps_what_the_published_script_keeps(seed, n, percentile, min_images):
    generator = np.random.default_rng(seed)
    distances, labels = generator.gamma(2, 0.3, n), generator.integers(0, 5, n)
    kept = noise.keep(distances, labels, percentile, min_images)
    assert np.flatnonzero(kept).tolist() == published(distances, labels, percentile, min_images)


def test_who_lost_no_image_stays_however_few_they_have():
    distances = np.array([0.1, 0.1, 0.1, 0.1, 0.9])
    kept = noise.keep(distances, np.array([0, 1, 1, 1, 1]), 80, 4)
    assert kept.tolist() == [True, False, False, False, False]


def test_the_distance_is_that_to_the_plain_mean_of_the_class():
    rows = np.random.default_rng(0).normal(size=[7, 3])
    labels = np.array([4, 2, 2, 4, 2, 9, 4])
    expected = [
        np.sqrt(((row - rows[labels == label].mean(0)) ** 2).sum()) for row, label in zip(rows, labels, strict=True)
    ]
    np.testing.assert_allclose(noise.distances_to_center(rows, labels), expected)
    assert noise.distances_to_center(rows, labels)[5] == pytest.approx(0)
