"""BCubed is what Amigó et al. define, face by face."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune.clustering import bcubed

LABELS = st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 4)), min_size=1, max_size=30)


@given(LABELS)
def test_the_figures_are_those_of_the_definition(pairs):
    people, clusters = np.array(pairs).T
    n = len(people)
    precision, recall, merged, different = [], [], 0, 0
    for i in range(n):
        cluster = [j for j in range(n) if clusters[j] == clusters[i]]
        person = [j for j in range(n) if people[j] == people[i]]
        precision.append(np.mean([people[j] == people[i] for j in cluster]))
        recall.append(np.mean([clusters[j] == clusters[i] for j in person]))
        for j in range(i):
            different += people[i] != people[j]
            merged += people[i] != people[j] and clusters[i] == clusters[j]
    found = bcubed(people, clusters)
    assert found.precision == pytest.approx(np.mean(precision))
    assert found.recall == pytest.approx(np.mean(recall))
    assert found.f == pytest.approx(2 / (1 / np.mean(precision) + 1 / np.mean(recall)))
    assert found.merged == pytest.approx(merged / different if different else 0)


def test_no_faces_and_unequal_lengths_are_refused():
    for people, clusters in (([], []), ([1, 2], [1])):
        with pytest.raises(ValueError, match="give as many, from one"):
            bcubed(np.array(people, np.int64), np.array(clusters, np.int64))
