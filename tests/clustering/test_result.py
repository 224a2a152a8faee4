"""A gallery measures the threshold if it has enough people, and it is told if it has not."""

from __future__ import annotations

import pytest

from finetune.clustering import Corrections, Faces, cluster_faces
from tests.gallery.conftest import gallery, vectors


def found(people: int, far: float, threshold: float | None = None) -> str:
    """Return where the threshold of eight faces comes from, beside a gallery of people."""
    rows = [(bytes([row]) * 32, 1, None, "") for row in range(8)]
    faces = Faces.of(rows, vectors([100, 100, 101, 101, 102, 102, 103, 103]))
    return cluster_faces(faces, Corrections(), gallery(people, each=2), far=far, threshold=threshold).source


@pytest.mark.parametrize(("people", "far", "needed"), [(5, 0.001, 1998), (1, 0.01, 198), (37, 0.05, 38)])
def test_too_few_people_are_told_with_the_number_that_it_takes(people, far, needed):
    who = "1 person" if people == 1 else f"{people} people"
    expected = f"estimated from the similarities of all pairs since the gallery's {who} can't measure it, which takes"
    assert found(people, far) == f"{expected} {needed}"


def test_enough_people_measure_the_threshold_and_a_given_one_needs_none():
    assert found(38, 0.05) == "measured on known people"
    assert found(5, 0.001, threshold=0.5) == "as given"
