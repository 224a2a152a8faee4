"""Linkage over the graph is average linkage, keeps all constraints, and stops where known people say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from finetune.clustering import NO_NAME, Constraints, Known, average_linkage, bcubed
from tests.clustering.conftest import partition, planted


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.6])
def test_without_constraints_it_is_the_average_linkage_of_scipy(seed, threshold):
    faces, _ = planted(people=8, each=9, spread=1.2, seed=seed)
    tree = linkage(pdist(faces.astype(np.float64), "cosine"), "average")
    expected = fcluster(tree, 1 - threshold, "distance")
    found = average_linkage(faces, threshold, Constraints.none(len(faces)))
    assert partition(found.labels) == partition(expected)
    assert all(label == np.flatnonzero(found.labels == label)[0] for label in found.labels)


@st.composite
def constrained(draw):
    n = draw(st.integers(1, 24))
    rows = st.integers(0, n - 1)
    groups = st.lists(rows, min_size=1, max_size=3)
    return Constraints(
        np.array(draw(st.lists(st.integers(0, n), min_size=n, max_size=n))),
        np.array(draw(st.lists(st.sampled_from([NO_NAME] * 6 + [0, 1]), min_size=n, max_size=n))),
        draw(st.lists(groups, max_size=3)),
        draw(st.lists(st.tuples(groups, groups), max_size=4)),
    )


@settings(max_examples=200, deadline=None)
@given(constrained(), st.integers(0, 3))
def test_no_cluster_breaks_a_constraint(constraints, seed):
    n = len(constraints.photos)
    faces = np.random.default_rng(seed).standard_normal([n, 4])
    faces = (faces / np.linalg.norm(faces, axis=1, keepdims=True)).astype(np.float32)
    if constraints.contradiction():
        with pytest.raises(ValueError, match="contradict"):
            average_linkage(faces, -1, constraints)
        return
    labels = average_linkage(faces, -1, constraints).labels
    for group in constraints.together:
        assert len({labels[row] for row in group}) == 1
    for ones, others in constraints.apart:
        assert {labels[row] for row in ones}.isdisjoint(labels[row] for row in others)
    for i in range(n):
        for j in range(i):
            names = {constraints.names[row] for row in (i, j)} - {NO_NAME}
            if labels[i] == labels[j]:
                assert constraints.photos[i] != constraints.photos[j]
                assert len(names) < 2
            elif NO_NAME not in (constraints.names[i], constraints.names[j]):
                assert len(names) == 2


def test_faces_of_one_photo_stay_apart_however_alike_they_are():
    faces = np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)
    photos = np.array([0, 0, 1, 2, 3, 4])
    labels = average_linkage(faces, 0.5, Constraints(photos, np.full(6, NO_NAME))).labels
    assert labels.tolist() == [0, 1, 0, 3, 3, 3]


@pytest.mark.parametrize("far", [0.0, 0.01, 0.1])
def test_known_people_stop_the_merging_before_too_many_are_merged(far):
    faces, people = planted(people=10, each=8, spread=2.0)
    free = Constraints.none(len(faces))
    found = average_linkage(faces, -1, free, Known(people, far))
    assert bcubed(people, found.labels).merged <= far
    again = average_linkage(faces, found.threshold, free)
    assert np.array_equal(again.labels, found.labels)
    lower = average_linkage(faces, found.threshold - 0.1, free)
    assert bcubed(people, lower.labels).merged > far
