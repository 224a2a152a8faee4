"""Enrolment embeds only new photos, even if others change the gallery meanwhile, and reports what it can't enrol."""

from __future__ import annotations

import dataclasses
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from finetune.errors import DataError, RunError
from finetune.gallery.prototypes import NearestPrototype
from finetune.gallery.storage import read_gallery, update
from tests.gallery.conftest import CONTRACT, gallery, photos, vectors

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def model(drawn_checkpoint):
    from finetune.model import Model

    return Model.restore(drawn_checkpoint)


@pytest.fixture
def people(faces, tmp_path):
    """Copy the drawn people, so that their files may be changed."""
    shutil.copytree(faces / "learn", tmp_path / "people")
    return tmp_path / "people"


def of(folder: Path) -> dict[str, list[Path]]:
    return {person.name: sorted(person.iterdir()) for person in sorted(folder.iterdir())}


def enroll(*arguments, **options):
    from finetune.gallery.enrolment import enroll as enroll_

    return enroll_(*arguments, **options)


def test_only_what_is_new_is_embedded(model, passes, people, tmp_path):
    path, everybody = tmp_path / "g.h5", of(people)
    first, *others = everybody
    done = enroll(path, {first: everybody[first]}, model, cache="off")
    assert (done.embedded, done.new_people, done.already) == (6, (first,), ())
    for number, name in enumerate(others, 2):
        done = enroll(path, dict(list(everybody.items())[:number]), model, cache="off")
        assert (done.embedded, done.new_people, len(done.already)) == (6, (name,), 6 * (number - 1))
    before = path.read_bytes()
    done = enroll(path, everybody, model, cache="off")
    assert (done.embedded, done.new_people, len(done.already)) == (0, (), 24)
    assert path.read_bytes() == before
    assert sum(passes) == 24


def test_one_at_a_time_gives_what_one_go_gives(model, people, tmp_path):
    everybody = of(people)
    for name, paths in everybody.items():
        enroll(tmp_path / "grown.h5", {name: paths}, model)
    enroll(tmp_path / "one_go.h5", everybody, model)
    grown, one_go = (read_gallery(tmp_path / name) for name in ("grown.h5", "one_go.h5"))
    assert (grown.people, grown.contract) == (one_go.people, one_go.contract)
    for ours, theirs in ((grown.labels, one_go.labels), (grown.photos.digests, one_go.photos.digests)):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(grown.embeddings, one_go.embeddings, atol=1e-6)
    paths = [path for paths in everybody.values() for path in paths]
    np.testing.assert_allclose(grown.embeddings, model.embed(paths), atol=1e-6)


def test_paths_may_be_strings(model, people, tmp_path, monkeypatch):
    from finetune.gallery.enrolment import enroll_strangers
    from finetune.gallery.identification import faces_of

    monkeypatch.setenv("HOME", str(tmp_path))
    enroll("~/g.h5", {"ann": ["~/people/person_001/person_001_0001.png"]}, model)
    enroll_strangers("~/g.h5", str(people), model)
    assert read_gallery("~/g.h5").people == ("ann",)
    with faces_of(["~/people/person_002"], model, detect=False) as faces:
        assert len(faces) == 6


def test_a_photo_is_known_by_its_content(model, people, tmp_path):
    path, everybody = tmp_path / "g.h5", of(people)
    enroll(path, everybody, model)
    copy = people / "person_002" / "holiday.png"
    shutil.copy(everybody["person_001"][0], copy)
    done = enroll(path, of(people), model)
    assert done.embedded == 0
    assert (copy, "person_001", "person_002") in done.already


def test_a_photo_under_two_names_at_once_is_enrolled_under_the_first(model, people, tmp_path):
    copy = people / "person_003" / "copy.png"
    shutil.copy(of(people)["person_001"][0], copy)
    done = enroll(tmp_path / "g.h5", of(people), model)
    assert (done.embedded, done.already, done.copies) == (24, (), ((copy, "person_001", "person_003"),))
    again = enroll(tmp_path / "g.h5", of(people), model)
    assert (len(again.already), again.copies) == (25, ())


def test_files_that_can_not_be_used_are_left_out_with_reasons(model, people, tmp_path):
    (people / "person_001" / "notes.txt").write_text("no image")
    whole = of(people)["person_002"][0].read_bytes()
    (people / "person_002" / "cut.png").write_bytes(whole[: len(whole) // 2])
    done = enroll(tmp_path / "g.h5", of(people), model)
    assert done.embedded == 24
    assert [path.path.name for path in done.left_out] == ["notes.txt", "cut.png"]
    with pytest.raises(DataError) as refused:
        enroll(tmp_path / "none.h5", {"ann": [people / "person_001" / "notes.txt"]}, model)
    assert str(refused.value.problems[0]).startswith("no photo that can be used")
    assert not (tmp_path / "none.h5").exists()


def test_wrong_names_are_told_before_anything_is_embedded(model, passes, people, tmp_path):
    paths = of(people)["person_001"]
    with pytest.raises(DataError) as refused:
        enroll(tmp_path / "g.h5", {"unknown": paths, "../ann": paths}, model)
    assert len(refused.value.problems) == 2
    assert passes == []


def test_another_checkpoint_and_another_preprocessing_are_refused(model, drawn_checkpoint, people, tmp_path):
    from finetune.model import Model

    path = tmp_path / "g.h5"
    enroll(path, of(people), model)
    before = path.read_bytes()
    other = Model.restore(drawn_checkpoint, standardization="per_image")
    with pytest.raises(DataError, match="fixed, not per_image; leave that option out, or make"):
        enroll(path, of(people), other)
    changed = Model.restore(drawn_checkpoint)
    name = "InceptionResnetV1/Bottleneck/weights"
    changed.assign({name: changed.variables[name].numpy() + 1e-3})
    with pytest.raises(DataError, match="whose weights differ"):
        enroll(path, of(people), changed)
    assert path.read_bytes() == before


def test_another_head_is_the_same_to_a_gallery(model, drawn_checkpoint, people, tmp_path):
    from finetune.model import Model

    enroll(tmp_path / "g.h5", of(people), model)
    headed = Model.restore(drawn_checkpoint, class_names=["a", "b", "c"])
    assert enroll(tmp_path / "g.h5", of(people), headed).embedded == 0


def test_what_others_do_meanwhile_stands(model, people, tmp_path, monkeypatch):
    """Remove one person and add another, as another process would, while photos are embedded."""
    from finetune.gallery import enrolment as module

    path, everybody = tmp_path / "g.h5", of(people)
    enroll(path, {"person_001": everybody["person_001"], "person_002": everybody["person_002"]}, model)
    embed = module.Embedder.prelogits

    def meanwhile(*arguments):
        new = photos(vectors([5], model.embedding_size))
        update(path, lambda now: now.remove("person_001").add(["from elsewhere"], new))
        return embed(*arguments)

    monkeypatch.setattr(module.Embedder, "prelogits", meanwhile)
    enroll(path, {"person_003": everybody["person_003"]}, model)
    assert read_gallery(path).people == ("person_002", "from elsewhere", "person_003")


def test_a_gallery_notes_where_its_checkpoint_was_last_seen():
    from finetune.gallery.enrolment import fitting

    moved = dataclasses.replace(CONTRACT, checkpoint="elsewhere")
    assert fitting(gallery(), moved, Path("g.h5")).contract == moved != CONTRACT


def test_strangers_join_what_the_gallery_has_become_meanwhile(model, faces, people, tmp_path, monkeypatch):
    from finetune.gallery import enrolment as module

    path = tmp_path / "g.h5"
    enroll(path, of(people), model)
    embed = module.Embedder.prelogits

    def meanwhile(*arguments):
        update(path, lambda now: now.remove("person_001"))
        return embed(*arguments)

    monkeypatch.setattr(module.Embedder, "prelogits", meanwhile)
    left = tuple(name for name in of(people) if name != "person_001")
    assert module.enroll_strangers(path, faces / "strangers", model).gallery.people == left


def test_strangers_are_kept_without_names_and_without_whom_somebody_knows(model, faces, people, tmp_path, monkeypatch):
    from finetune.gallery.enrolment import ENROLLED, TRAINED, enroll_strangers

    path, everybody = tmp_path / "g.h5", of(people)
    enroll(path, everybody, model)
    folder = tmp_path / "strangers"
    shutil.copytree(faces / "strangers", folder)
    shutil.copytree(people / "person_001", folder / "PERSON_001")
    shutil.copy(everybody["person_002"][0], folder / "person_011")
    monkeypatch.setattr(model, "class_names", ("Person 012",))
    done = enroll_strangers(path, folder, model)
    assert [(one.path.name, one.reason) for one in done.left_out] == [
        ("PERSON_001", ENROLLED),
        ("person_012", TRAINED),
        (done.left_out[2].path.name, ENROLLED),
    ]
    assert done.left_out[2].path.parent.name == "person_011"  # who has a photo of theirs
    assert (done.added, len(done.gallery.strangers)) == (16, 16)
    assert len(np.unique(done.gallery.stranger_labels)) == 4
    assert b"person_013" not in path.read_bytes()
    again = enroll_strangers(path, folder, model)
    assert (again.added, len(again.gallery.strangers)) == (0, 16)
    one = sorted((faces / "strangers/person_011").iterdir())[0]
    assert enroll_strangers(path, one, model).gallery.stranger_labels.tolist()[-1] == 4
    with pytest.raises(DataError, match="no stranger in it"):
        enroll_strangers(path, people, model)


def test_images_without_folders_are_a_stranger_each(model, faces, people, tmp_path):
    from finetune.gallery.enrolment import enroll_strangers

    flat = tmp_path / "flat"
    flat.mkdir()
    for number, photo in enumerate(sorted((faces / "strangers").rglob("*.png"))[:7]):
        shutil.copy(photo, flat / f"{number}.png")
    done = enroll_strangers(tmp_path / "g.h5", flat, model)
    assert done.gallery.stranger_labels.tolist() == list(range(7))
    assert done.lookalikes == ()
    before = (tmp_path / "g.h5").read_bytes()
    enroll(tmp_path / "theirs.h5", {"ann": sorted(flat.iterdir())}, model)
    with pytest.raises(DataError) as refused:
        enroll_strangers(tmp_path / "theirs.h5", flat, model)
    assert "no stranger in it" in str(refused.value.problems[0])
    assert (tmp_path / "g.h5").read_bytes() == before


def test_a_stranger_who_looks_like_somebody_enrolled_is_told(model, people, tmp_path):
    from finetune.gallery.enrolment import enroll_strangers

    everybody = of(people)
    name, paths = next(iter(everybody.items()))
    enroll(tmp_path / "g.h5", {**everybody, name: paths[:5]}, model)
    (tmp_path / "s" / "somebody").mkdir(parents=True)
    shutil.copy(paths[5], tmp_path / "s" / "somebody")
    found = read_gallery(tmp_path / "g.h5")
    prototypes = NearestPrototype().fit(found.embeddings, found.labels)
    score = prototypes.best(model.embed([paths[5]]))
    usual = np.quantile(prototypes.own_left_out(found.embeddings, found.labels), 0.25)
    told = [name for _, name in enroll_strangers(tmp_path / "g.h5", tmp_path / "s", model).lookalikes]
    assert told == ([found.people[score.labels[0, 0]]] if score.scores[0, 0] >= usual else [])


def test_pickled_features_are_enrolled_once(model, people, tmp_path):
    from finetune.gallery.enrolment import import_features

    path, features = tmp_path / "g.h5", tmp_path / "all_features.pkl"
    everybody = of(people)
    rows = model.embed([photo for paths in everybody.values() for photo in paths])
    features.write_bytes(pickle.dumps((rows, np.repeat(np.arange(4), 6), list(everybody))))
    assert import_features(path, features, model)[1:] == (24, 4)
    found = read_gallery(path)
    assert found.people == tuple(everybody)
    np.testing.assert_allclose(found.embeddings, rows, atol=1e-6)
    assert import_features(path, features, model)[1:] == (0, 0)
    features.write_bytes(pickle.dumps((rows, np.repeat(np.arange(4), 6), ["a", "../b", "c", "d\n"])))
    with pytest.raises(DataError) as refused:
        import_features(tmp_path / "other.h5", features, model)
    assert len(refused.value.problems) == 2
    features.write_bytes(pickle.dumps((rows[:, :8], ["a"] * 24)))
    with pytest.raises(DataError, match="embeddings of 8 values"):
        import_features(path, features, model)
    assert found.contract != CONTRACT


@pytest.mark.parametrize("cache", ["off", "disk"])
def test_a_photo_that_changes_while_it_is_enrolled_is_refused(model, people, tmp_path, monkeypatch, cache):
    from finetune.gallery import enrolment

    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))
    name, photos = next(iter(of(people).items()))
    _, others = list(of(people).items())[1]
    prelogits = enrolment.Embedder.prelogits

    def meanwhile(*arguments):
        shutil.copy(others[0], photos[0])
        return prelogits(*arguments)

    monkeypatch.setattr(enrolment.Embedder, "prelogits", meanwhile)
    with pytest.raises(RunError, match=f"{photos[0].name}: changed while it was used; leave the images as they are"):
        enroll(tmp_path / "g.h5", {name: photos}, model, cache=cache)
    assert not (tmp_path / "g.h5").exists()
