"""Answers to photos: who is named, who is unknown, and what is written."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from finetune.errors import DataError
from finetune.gallery.calibration import Threshold
from finetune.gallery.prototypes import NearestPrototype
from finetune.images.reading import read_image
from tests.align.conftest import scene
from tests.gallery.conftest import bomb

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def model(drawn_checkpoint):
    from finetune.model import Model

    return Model.restore(drawn_checkpoint)


@pytest.fixture(scope="module")
def enrolled(model, faces):
    """Return the people's names, and prototypes of five of their six photos."""
    people = sorted(folder.name for folder in (faces / "learn").iterdir())
    paths = [faces / "learn" / name / f"{name}_{number:04d}.png" for name in people for number in range(1, 6)]
    return people, NearestPrototype().fit(model.embed(paths), np.repeat(np.arange(4), 5))


def answers(photos, model, enrolled, threshold=-1.0, **options):
    from finetune.gallery.identification import faces_of, identify

    with faces_of(photos, model, detect=options.pop("detect", False), **options) as found:
        return identify(found, model, *enrolled, Threshold(threshold))


def test_scores_are_similarities_and_decide_who_is_unknown(model, enrolled, faces):
    people, prototypes = enrolled
    photos = [faces / "learn" / name / f"{name}_0006.png" for name in people]
    similarities = np.sort(model.embed(photos) @ prototypes.prototypes_.T, axis=1)[:, ::-1]
    found = answers(photos, model, enrolled)
    np.testing.assert_allclose([answer.score for answer in found], similarities[:, 0], atol=1e-5)
    np.testing.assert_allclose([answer.runner_up_score for answer in found], similarities[:, 1], atol=1e-5)
    np.testing.assert_allclose([a.margin for a in found], similarities[:, 0] - similarities[:, 1], atol=1e-5)
    assert all(answer.name == answer.best != answer.runner_up for answer in found)
    middle = float(np.sort(similarities[:, 0])[1])
    strict = answers(photos, model, enrolled, middle + 1e-4)
    assert [answer.name == "unknown" for answer in strict] == [
        bool(score <= middle + 1e-4) for score in similarities[:, 0]
    ]
    assert [answer.best for answer in strict] == [answer.best for answer in found]


def test_folders_and_files_are_named_below_what_was_given(model, enrolled, faces):
    person = faces / "learn" / "person_001"
    found = answers([faces / "learn", person / "person_001_0001.png"], model, enrolled)
    assert len(found) == 25
    assert found[0].face.within == "person_001/person_001_0001.png"
    assert found[-1].face.within == "person_001_0001.png"
    assert str(found[-1]).startswith(f"{person / 'person_001_0001.png'}: person_001 ")


def test_every_face_of_a_photo_is_answered(model, enrolled, tmp_path):
    places = [(10, 20, 90), (120, 5, 70), (180, 60, 110)]
    (tmp_path / "photos").mkdir()
    Image.fromarray(scene(places, 190, 300)).save(tmp_path / "photos/group.png")
    Image.fromarray(scene([], 90, 120)).save(tmp_path / "photos/nobody.png")
    (tmp_path / "photos/bomb.png").write_bytes(bomb())
    found = answers([tmp_path / "photos"], model, enrolled, detect=True)
    problems = {answer.face.within: answer.face.problem for answer in found if answer.score is None}
    assert problems["nobody.png"] == "no face found"
    assert problems["bomb.png"] == "more than 160000000 pixels"
    seen = [answer for answer in found if answer.score is not None]
    assert [answer.face.number for answer in seen] == list(range(1, len(seen) + 1))
    centres = np.array([answer.face.box for answer in seen]).reshape(-1, 2, 2).mean(1)
    for left, top, size in places:
        assert np.linalg.norm(centres - [left + size / 2, top + size / 2], axis=1).min() < size / 6


def test_crops_of_faces_to_be_named_are_no_files_at_any_time(model, enrolled, tmp_path, monkeypatch):
    from finetune.align.aligner import Alignment, align
    from finetune.embedding.embedder import Embedder
    from finetune.gallery.identification import faces_of

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    Image.fromarray(scene([(10, 20, 90), (120, 5, 70)], 190, 300)).save(tmp_path / "group.png")
    with faces_of([tmp_path / "group.png"], model, detect=True) as found:
        assert list((tmp_path / "temporary").iterdir()) == []
        crops = [np.array(face.crop) for face in found]
        rows = Embedder(model, "off").prelogits([face.crop for face in found])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["group.png", "temporary"]
    align(tmp_path / "group.png", tmp_path / "out", Alignment(size=75, all_faces=True))
    files = sorted((tmp_path / "out").glob("*.png"))
    assert len(files) == len(crops) > 1
    for path, crop in zip(files, crops, strict=True):
        np.testing.assert_array_equal(read_image(path), crop)
    with faces_of(files, model, detect=False) as same:
        np.testing.assert_array_equal(Embedder(model, "off").prelogits([face.crop for face in same]), rows)


def test_the_table_has_a_line_a_face(model, enrolled, faces, tmp_path):
    from finetune.gallery.identification import COLUMNS, write_csv

    shutil.copy(faces / "learn/person_001/person_001_0001.png", tmp_path / "a,b.png")
    (tmp_path / "c.txt").write_text("no image")
    found = answers([tmp_path / "a,b.png", tmp_path / "c.txt"], model, enrolled)
    write_csv(tmp_path / "out.csv", found)
    with (tmp_path / "out.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert tuple(first) == COLUMNS
    assert (first["photo"], first["name"], first["problem"]) == (str(tmp_path / "a,b.png"), "person_001", "")
    assert first["left"] == ""
    assert float(first["margin"]) == pytest.approx(float(first["score"]) - float(first["runner_up_score"]), abs=1e-5)
    assert (second["photo"], second["name"], second["score"]) == (str(tmp_path / "c.txt"), "", "")
    assert second["problem"].startswith("not an image")


def test_the_table_says_who_is_nearest_to_an_unknown_face(model, enrolled, faces, tmp_path):
    from finetune.gallery.identification import write_csv

    photo = faces / "strangers/person_011/person_011_0001.png"
    people, prototypes = enrolled
    similarities = (model.embed([photo]) @ prototypes.prototypes_.T)[0]
    write_csv(tmp_path / "out.csv", answers([photo], model, enrolled, threshold=2.0))
    with (tmp_path / "out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["nearest"]) == ("unknown", people[similarities.argmax()])
    assert float(row["score"]) == pytest.approx(similarities.max(), abs=1e-5)


def test_names_are_drawn_on_the_photos(model, enrolled, tmp_path):
    from finetune.gallery.pictures import NAMED, STRANGER, draw

    (tmp_path / "in/x").mkdir(parents=True)
    Image.fromarray(scene([(100, 60, 110)], 300, 300)).save(tmp_path / "in/x/group.png")
    for threshold, colour in ((-1.0, NAMED), (1.0, STRANGER)):
        found = answers([tmp_path / "in"], model, enrolled, threshold, detect=True)
        out = tmp_path / colour.strip("#")
        assert draw(found, out) == 1
        assert [path.relative_to(out).as_posix() for path in out.rglob("*.*")] == ["x/group.png.jpg"]
        left, top, _, bottom = (round(side) for side in found[0].face.box)
        pixels = read_image(out / "x/group.png.jpg").astype(int)
        wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        for near in (pixels[(top + bottom) // 2, left - 1 : left + 4], pixels[bottom + 2 : bottom + 5, left + 2]):
            assert np.abs(near - wanted).max(-1).min() < 40


def test_a_font_that_lacks_a_letter_is_known(monkeypatch):
    from finetune.gallery import pictures

    own = ImageFont.load_default(20)
    assert pictures._has_all(own, "Ann 0.97")
    assert not pictures._has_all(own, "\u738b")
    monkeypatch.setattr(pictures, "_fonts", lambda size: [own, "another"])
    monkeypatch.setattr(pictures, "_has_all", lambda font, text: font == "another" or text == "Ann")
    assert [pictures._font(text, 20) for text in ("Ann", "\u738b")] == [own, "another"]


def test_two_photos_that_would_have_one_name_are_refused(model, enrolled, faces, tmp_path):
    from finetune.gallery.pictures import draw

    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(faces / "learn/person_001/person_001_0001.png", tmp_path / folder / "x.png")
    found = answers([tmp_path / "a", tmp_path / "b"], model, enrolled)
    with pytest.raises(DataError, match=r"would be drawn over .*a/x\.png; draw one at a time"):
        draw(found, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_photos_without_any_face_are_refused():
    from finetune.gallery.identification import Face, refuse_nothing

    faces = [Face(Path("a/b.png"), Path("a"), None, problem="no face found")] * 3
    with pytest.raises(DataError, match=r"^a/b\.png: no face found; there is no face to name; give"):
        refuse_nothing(faces)
    refuse_nothing([*faces, Face(Path("a/c.png"), Path("a"), Path("a/c.png"))])


def test_the_checkpoints_own_head_names_its_own_classes(drawn_checkpoint, faces, tmp_path):
    from finetune.gallery.classifier_cache import fitted_head
    from finetune.model import Model

    people = ("ann", "bob", "cleo")
    model = Model.restore(drawn_checkpoint, class_names=people, seed=3)
    photos = sorted((faces / "learn").rglob("*.png"))[:8]
    names, head = fitted_head(model)
    found = answers(photos, model, (names, head))
    logits = model.logits(photos)
    assert [answer.name for answer in found] == [people[label] for label in logits.argmax(1)]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose([answer.score for answer in found], probabilities.max(1), atol=1e-4)
