"""Numbers of clusters: a cluster keeps the number that most of its faces had before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from finetune.arrays import Labels


def number_clusters(labels: Labels, before: Labels, keys: Sequence[str]) -> Labels:
    """Return the number of each face's cluster, int64 [n], from 1.

    Where several clusters have faces of one earlier cluster, the one with most of them keeps its number. The others get
    new numbers, the largest cluster first.

    Args:
        labels: cluster of each face, int64 [n].
        before: number of each face's cluster before, int64 [n]; 0 for none.
        keys: name of each face, which decides between clusters of one size.
    """
    shared = Counter((int(old), int(label)) for old, label in zip(before, labels, strict=True) if old)
    sizes = Counter(labels.tolist())
    first: dict[int, str] = {}
    for label, key in zip(labels.tolist(), keys, strict=True):
        first[label] = min(first.get(label, key), key)
    numbers: dict[int, int] = {}
    taken: set[int] = set()
    for (old, label), _ in sorted(shared.items(), key=lambda item: (-item[1], item[0][0], first[item[0][1]])):
        if label not in numbers and old not in taken:
            numbers[label] = old
            taken.add(old)
    last = int(before.max(initial=0))
    new = sorted((label for label in sizes if label not in numbers), key=lambda label: (-sizes[label], first[label]))
    numbers |= {label: last + place for place, label in enumerate(new, 1)}
    return np.array([numbers[label] for label in labels.tolist()], np.int64)
