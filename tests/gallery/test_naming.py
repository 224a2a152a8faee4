"""Photos are named, and photos are compared, in one call from Python."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune import name_faces, verify
from finetune.errors import CheckpointError, DataError
from finetune.gallery import Comparison
from finetune.model import Model

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def model(drawn_checkpoint):
    return Model.restore(drawn_checkpoint)


def test_faces_are_named_by_the_nearest_mean_of_the_people_given(model, faces):
    people = {folder.name: sorted(folder.iterdir()) for folder in sorted((faces / "learn").iterdir())}
    probes = {name: photos.pop() for name, photos in people.items()}
    answers = name_faces(list(probes.values()), people, model, threshold=-1.0)
    means = np.stack([model.embed(photos).mean(axis=0) for photos in people.values()])
    cosines = model.embed(list(probes.values())) @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    assert [answer.name for answer in answers] == [list(people)[row] for row in cosines.argmax(axis=1)]
    np.testing.assert_allclose([answer.score for answer in answers], cosines.max(axis=1), atol=1e-5)

    unknown = name_faces(list(probes.values()), people, model, threshold=1.1)
    assert {answer.name for answer in unknown} == {"unknown"}


def test_a_folder_of_people_is_people_and_few_of_them_promise_no_rate(model, faces):
    (photo, *_) = sorted((faces / "learn").rglob("*.png"))
    (answer,) = name_faces(photo, faces / "learn", model, threshold=0.5)
    assert answer.name == photo.parent.name
    with pytest.raises(DataError, match=r"promise a false accept rate"):
        name_faces(photo, faces / "learn", model)


def test_two_photos_are_compared_by_their_embeddings(model, drawn_checkpoint, faces):
    first, *_, second = sorted((faces / "learn").rglob("*.png"))
    one, other = model.embed([first, second]).astype(np.float64)
    found = verify(first, str(second), model)
    assert found.similarity == pytest.approx(one @ other, abs=1e-5)
    assert found.distance == pytest.approx(((one - other) ** 2).sum(), abs=1e-4)
    assert found.same is None
    assert verify(first, first, drawn_checkpoint, threshold=0.99).same is True
    assert verify(first, second, model, threshold=found.similarity + 1e-3).same is False


def test_all_photos_that_can_not_be_compared_are_told_at_once(model, faces, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError) as caught:
        verify(faces / "learn", tmp_path, model)
    assert [problem.found for problem in caught.value.problems] == ["a folder", "a folder"]
    with pytest.raises(DataError, match=r"text.png: .*; give an aligned face, or a photo with --align"):
        verify(tmp_path / "text.png", sorted((faces / "learn").rglob("*.png"))[0], model)
    with pytest.raises(CheckpointError, match="no such file or folder"):
        verify(sorted((faces / "learn").rglob("*.png"))[0], sorted((faces / "learn").rglob("*.png"))[1], "nowhere")


@pytest.mark.parametrize(("similarity", "angle"), [(1.0000001, 0.0), (0.5, 60.0), (-1.0, 180.0)])
def test_an_angle_is_that_of_the_cosine(similarity, angle):
    assert Comparison(similarity).angle == pytest.approx(angle, abs=1e-4)
