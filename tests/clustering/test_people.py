"""People who are well apart are found exactly, in any order of their faces."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.clustering import NO_NAME, Constraints, bcubed, find_people
from tests.clustering.conftest import partition, planted


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("people", "each"), [(6, 9), (30, 12), (12, 30)])
def test_people_who_are_well_apart_are_found(people, each, seed):
    faces, labels = planted(people, each, seed=seed, spread=0.5)
    assert partition(find_people(faces).labels) == partition(labels)


def test_the_order_of_the_faces_does_not_matter():
    faces, _ = planted(people=20, each=10, spread=1.4)
    order = np.random.default_rng(3).permutation(len(faces))
    first, second = find_people(faces, far=0.01), find_people(faces[order], far=0.01)
    moved = np.empty_like(second.labels)
    moved[order] = second.labels
    assert partition(moved) == partition(first.labels)
    assert second.threshold == pytest.approx(first.threshold, abs=1e-6)


@pytest.mark.parametrize("far", [0.01, 0.001])
def test_known_people_give_a_threshold_that_keeps_to_the_rate(far):
    faces, labels = planted(people=30, each=8, spread=2.0)
    known = np.where(np.arange(len(faces)) % 4 == 0, -1, labels)
    found = find_people(faces, far=far, known=known)
    assert found.source == "measured on known people"
    assert bcubed(known[known >= 0], found.labels[known >= 0]).merged <= far


def test_the_estimate_keeps_near_to_the_rate_for_people_who_are_hard_to_tell():
    faces, labels = planted(people=32, each=12, spread=1.5)
    for far in (0.01, 0.001):
        found = bcubed(labels, find_people(faces, far=far).labels)
        assert found.merged <= 2 * far
        assert found.recall > 1.2 / 12  # 1 / 12 with every face alone


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_faces_are_clustered_too(n):
    found = find_people(np.eye(3, dtype=np.float32)[:n])
    assert found.labels.tolist() == list(range(n))


def test_a_given_threshold_and_constraints_are_kept():
    faces, labels = planted(people=3, each=4, spread=0.1)
    photos = np.arange(12)
    photos[np.flatnonzero(labels == 0)] = 0
    found = find_people(faces, Constraints(photos, np.full(12, NO_NAME)), threshold=0.5)
    assert (found.threshold, found.source) == (0.5, "as given")
    assert len(partition(found.labels)) == 4 + 2
