"""Faces that are added one by one join the people whom a clustering of all of them finds."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.clustering import Library, expand, find_people
from finetune.clustering.neighbours import expanded_by
from tests.clustering.conftest import partition, planted


@pytest.mark.parametrize("seed", range(4))
def test_added_faces_join_the_people_of_a_whole_clustering(seed):
    faces, people = planted(people=12, each=10, spread=0.5, seed=seed)
    library = Library(faces[:60], find_people(faces[:60]))
    added = [library.add(faces[[row]])[0] for row in range(60, 120)]
    assert partition(library.labels) == partition(people)
    assert library.labels[60:].tolist() == added


def test_two_faces_of_one_photo_never_join_one_person():
    faces, people = planted(people=5, each=8, spread=0.3)
    library = Library(faces, find_people(faces))
    one = faces[people == 0][:3]
    labels = library.add(np.concatenate([one, faces[people == 1][:1]]))
    assert len(set(labels.tolist())) == 4
    assert labels[3] in library.labels[:40][people == 1]
    assert sum(label in library.labels[:40][people == 0] for label in labels[:3]) == 1


def test_a_new_person_begins_a_cluster_which_a_second_photo_joins():
    faces, people = planted(people=6, each=8, spread=0.3)
    others = faces[people > 0]
    library, new = Library(others, find_people(others, threshold=0.6)), faces[people == 0]
    assert library.add(new[:1]).tolist() == [40]
    assert library.add(new[1:2]).tolist() == [40]


def test_one_face_is_expanded_as_all_are():
    faces, _ = planted(people=6, each=12, spread=1.0)
    similarities = faces[:-1] @ faces[-1]
    near = np.argsort(-similarities)
    alone = expanded_by(faces[-1], faces[near], similarities[near])
    np.testing.assert_allclose(alone, expand(faces)[-1], atol=1e-6)


def test_a_library_may_begin_empty_and_grow():
    faces, people = planted(people=5, each=30, spread=0.3)
    library = Library(faces[:0], find_people(faces[:0], threshold=0.5))
    assert library.add(faces[[0, 0]]).tolist() == [0, 1]
    library = Library(faces[:0], find_people(faces[:0], threshold=0.5))
    for row in range(len(faces)):
        library.add(faces[[row]])
    assert partition(library.labels) == partition(people)
