"""The command finds people in a folder, keeps corrections, and embeds only what is new."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.embedding import Embedder
from finetune.gallery import read_gallery
from finetune.images import inspection
from tests.align.conftest import scene

pytestmark = pytest.mark.tf
START = ("cluster", "flat", "out", "--checkpoint", "model", "--threshold", "0.3")


@pytest.fixture
def flat(work: Path) -> Path:
    """Put the faces of four drawn people into one folder, without names."""
    folder = work / "flat"
    folder.mkdir()
    for photo in sorted((work / "faces/learn").rglob("*.png")):
        shutil.copy(photo, folder / f"{photo.parent.name}_{photo.name}")
    return folder


def table(out: Path = Path("out")) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "clusters.csv").read_text().splitlines()))


def clusters(out: Path = Path("out")) -> dict[str, set[str]]:
    """Return the photos of each cluster by its number."""
    found: dict[str, set[str]] = {}
    for line in table(out):
        if line["cluster"]:
            found.setdefault(line["cluster"], set()).add(line["photo"])
    return found


def test_a_folder_becomes_a_table_links_and_embeddings(flat, finetune):
    ended = finetune(*START, "--labelled")
    assert ended.status == 0, ended.err
    rows = table()
    assert list(rows[0]) == ["photo", "face", "left", "top", "right", "bottom", "cluster", "name", "apart"]
    assert [row["photo"] for row in rows] == sorted(os.listdir(flat))
    assert all(bool(row["cluster"]) != bool(row["apart"]) for row in rows)
    for number, photos in clusters().items():
        links = {link.name: link.resolve() for link in Path("out/people", number).iterdir()}
        assert links == {photo: (flat / photo).resolve() for photo in photos}
    stored = json.loads(Path("out/cluster.json").read_text())
    assert stored["photos"] == str(flat)
    with np.load("out/embeddings.npz", allow_pickle=False) as arrays:
        np.testing.assert_allclose(np.linalg.norm(arrays["embeddings"], axis=1), 1, atol=1e-5)
    assert ended.err[-1] == "--labelled: no face lies in a folder of its person"


def test_people_in_folders_give_the_figures_of_bcubed(work, finetune):
    ended = finetune("cluster", "faces/learn", "out", "--checkpoint", "model", "--labelled", "--far", "0.05")
    assert ended.status == 0, ended.err
    assert ended.out[-1].startswith("BCubed of ")


def test_added_photos_are_embedded_alone_and_numbers_stay(flat, finetune, monkeypatch):
    late = sorted(flat.iterdir())[5]
    late.rename("late.png")
    assert finetune(*START).status == 0
    before, embedded = clusters(), []
    embed = Embedder.embeddings
    monkeypatch.setattr(Embedder, "embeddings", lambda own, images, **_: embedded.append(images) or embed(own, images))
    Path("late.png").rename(late)
    ended = finetune("cluster", "flat", "out")
    assert (ended.status, embedded) == (0, [[late]]), ended.err
    after = clusters()
    for number, photos in before.items():
        assert max(after, key=lambda other: len(after[other] & photos)) == number
    embedded.clear()
    assert finetune("cluster", "flat", "out").out[0] == f"0 photos new, {len(os.listdir(flat))} known or copies"
    assert (embedded, clusters()) == ([], after)


def test_the_page_shows_the_faces_of_the_table_and_old_folders_get_one(flat, finetune):
    assert finetune(*START).status == 0
    Path("out/people.html").unlink()  # as in a folder that was made before there were pages
    Path("out/thumbnails.npz").unlink()
    assert finetune("cluster", "flat", "out").status == 0
    html = Path("out/people.html").read_text()
    data = json.loads(re.search(r'id="data">(.*)</script>', html)[1])
    assert {cluster["number"]: {face[0] for face in cluster["faces"]} for cluster in data["clusters"]} == clusters()
    assert (data["out"], data["clusters"][0]["faces"][0][3]) == (str(Path("out").absolute()), 0)


def test_corrections_last(flat, finetune):
    assert finetune(*START).status == 0
    one, other, *_ = sorted(clusters(), key=lambda number: -len(clusters()[number]))
    both = clusters()[one] | clusters()[other]
    ended = finetune("cluster", "out", "--merge", one, other, "--name", one, "Ann")
    assert ended.status == 0, ended.err
    assert both in clusters().values()
    taken = min(both)
    assert finetune("cluster", "out", "--split", "Ann", taken).status == 0
    shutil.copy(flat / max(both), flat / "copy.png")
    assert finetune("cluster", "flat", "out").status == 0
    named = {row["photo"] for row in table() if row["name"] == "Ann"}
    assert named == both - {taken} | {"copy.png"}
    assert {link.name for link in Path("out/people/Ann").iterdir()} == named
    assert finetune("cluster", "out", "--not-same", max(both), taken).status == 0
    told = finetune("cluster", "out", "--merge", "Ann", taken)
    assert told.status == 2
    assert told.err[0].endswith(
        "would have to be one person and two; leave this correction out, or take back an earlier one with --undo"
    )


def test_corrections_are_taken_back_one_by_one(flat, finetune, refused):
    assert finetune(*START).status == 0
    refused("cluster out --undo", "--undo: there is no correction to take back; leave it out")
    number, before = max(clusters().items(), key=lambda item: len(item[1]))[0], set(map(frozenset, clusters().values()))
    taken = min(clusters()[number])
    assert finetune("cluster", "out", "--name", number, "Ann", "--split", "Ann", taken).status == 0
    assert frozenset(clusters()[number]) not in before
    assert finetune("cluster", "out", "--undo").status == 0
    assert {row["photo"] for row in table() if row["name"] == "Ann"} == clusters()[number]
    assert set(map(frozenset, clusters().values())) == before
    assert finetune("cluster", "out", "--split", number, taken, "--undo", "--undo").status == 0
    assert not any(row["name"] for row in table())
    assert set(map(frozenset, clusters().values())) == before
    refused("cluster out --undo", "--undo: there is no correction to take back; leave it out")


def test_a_new_photo_joins_the_people_found_before_and_nothing_else_is_read(flat, finetune, monkeypatch):
    late = sorted(flat.iterdir())[5]
    late.rename("late.png")
    ended = finetune(*START)
    assert (ended.status, ended.out[1]) == (0, "all faces clustered, for the first time"), ended.err
    before, read = clusters(), []
    monkeypatch.setattr("finetune.files.UNSETTLED", -(10**12))
    assert finetune("cluster", "flat", "out").out[1] == "0 new faces beside the people found before, who stay"
    hash_image = inspection.hash_image
    monkeypatch.setattr(inspection, "hash_image", lambda path: read.append(path) or hash_image(path))
    Path("late.png").rename(late)
    assert finetune("cluster", "flat", "out").out[1] == "1 new face beside the people found before, who stay"
    assert set(read) == {late}
    after = clusters()
    assert all(photos <= after[number] for number, photos in before.items())
    assert finetune("cluster", "flat", "out", "--anew").out[1] == "all faces clustered, as asked"
    assert finetune("cluster", "flat", "out", "--recheck").status == 0
    assert set(read) == set(flat.iterdir())


def test_all_faces_are_clustered_when_it_is_said_why(flat, finetune):
    photos = sorted(flat.iterdir())
    for photo in photos[:4]:
        photo.rename(f"{photo.name}.kept")
    assert finetune(*START).status == 0
    for photo in photos[:4]:
        Path(f"{photo.name}.kept").rename(photo)
    told = "all faces clustered, since more than 10% of the faces came or went since all were clustered"
    assert finetune("cluster", "flat", "out").out[1] == told
    told = "all faces clustered, since the corrections, the gallery or the threshold have changed"
    assert finetune("cluster", "flat", "out", "--threshold", "0.4").out[1] == told
    assert finetune("cluster", "out", "--name", photos[0].name, "Ann").status == 0
    photos[0].rename("away.png")
    assert finetune("cluster", "flat", "out").out[1] == "0 new faces beside the people found before, who stay"
    Path("away.png").rename(photos[0])
    told = "all faces clustered, since a correction or the gallery is about a new face"
    assert finetune("cluster", "flat", "out").out[1] == told
    assert [row["name"] for row in table() if row["photo"] == photos[0].name] == ["Ann"]


def test_a_gallery_names_its_people(flat, enrolled, finetune):
    ended = finetune("cluster", "flat", "out", "--gallery", "people.h5", "--threshold", "0.3")
    assert ended.status == 0, ended.err
    for row in table():
        if not row["apart"]:
            assert row["name"] == row["photo"][: len("person_001")]
    assert finetune("cluster", "out", "--not-same", "person_001", "person_002").status == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("flat", "OUT: not given; give PHOTOS and OUT, or OUT and a correction"),
        (
            "nowhere out --checkpoint model",
            "nowhere: no such folder; give a folder of aligned faces, or photos...",
        ),
        ("flat flat/out --checkpoint model", "flat/out: lies in flat, which stays as it is; give a place beside it"),
        ("flat faces --checkpoint model", "faces: already there and not an empty folder; give another, or remove it"),
        ("flat out", "--checkpoint: not given; give the checkpoint that embeds the photos"),
        ("flat out --far 0.5", "argument --far: found '0.5'; give a number above 0 and below 0.1; see..."),
        ("flat out --threshold 2", "argument --threshold: found '2'; give a number from -1 to 1; see..."),
        ("flat out --far 0.01 --threshold 0.5", "--threshold: given with --far, which finds it; give one of them"),
        ("flat out --min-face-size 40", "--min-face-size: given without --align, which looks for faces"),
        ("flat --merge 1 2", "flat: not a folder that finetune cluster made; give the OUT of finetune cluster..."),
        ("flat out --merge 1 2", "out: given with a correction; give OUT without PHOTOS"),
        ("flat --align --merge 1 2", "--align: given with a correction; give it with PHOTOS and OUT"),
        ("flat --anew --merge 1 2", "--anew: given with a correction; give it with PHOTOS and OUT"),
        ("flat --recheck --undo", "--recheck: given with a correction; give it with PHOTOS and OUT"),
        ("flat --split 1", "--split: no photo given; give a cluster and its photos that do not belong"),
    ],
)
def test_wrong_words_are_one_line_each(flat, refused, arguments, line):
    refused(f"cluster {arguments}", line)


def test_wrong_corrections_are_refused_and_nothing_is_changed(flat, finetune, refused):
    assert finetune(*START).status == 0
    number, photos = max(clusters().items(), key=lambda item: len(item[1]))
    for correction, line in {
        "--merge 0001 9999": "9999: no such cluster and no such photo; give a cluster's number or name, or...",
        f"--name {number} a/b": "a/b: can't be a person's name: it reads as a path; give another name",
        f"--name {number} 12": "12: reads as the number of a cluster; give another name",
        f"--not-same {number} {number}": f"{number}: has faces of {number}; name two",
        f"--split {number} {' '.join(photos)}": f"{number}: would have no photo left; give fewer photos",
        f"--split {number} lost.png": "lost.png: no such cluster and no such photo; give...",
        f"--split {number} {number}": f"{number}: a cluster, where a photo is expected; give a cluster, then...",
        f"--merge {number} {number}": f"{number}: means the same faces as {number}; name two",
    }.items():
        refused(f"cluster out {correction}", line)


def test_a_name_is_of_one_person_and_a_photo_does_not_rename_a_part(flat, finetune, refused):
    assert finetune(*START).status == 0
    (one, photos), (other, _) = sorted(clusters().items(), key=lambda item: -len(item[1]))[:2]
    assert finetune("cluster", "out", "--name", min(photos), "Ann").status == 0
    assert {row["photo"] for row in table() if row["name"] == "Ann"} == photos
    refused(
        f"cluster out --name {other} Ann",
        f"Ann: the name of {one}; give another name, or say --merge {one} {other} if they are one person",
    )
    photo = min(photos)
    refused(
        f"cluster out --name {photo} Bob", f"{photo}: shows Ann, the person {one}; give {one} to name the person..."
    )
    assert finetune("cluster", "out", "--name", one, "Bob").status == 0
    assert {row["photo"] for row in table() if row["name"] == "Bob"} == photos
    assert finetune("cluster", "out", "--name", other, "Ann").status == 0
    told = finetune("cluster", "out", "--merge", "Ann", "Bob")
    assert told.status == 2
    assert re.search("would have to be (Ann and Bob|Bob and Ann); leave this correction out", told.err[0])


def test_a_file_of_the_user_among_the_links_stops_the_command_before_it_embeds(flat, finetune, refused):
    assert finetune(*START).status == 0
    number = min(clusters())
    mine = Path("out/people", number, "notes.txt")
    mine.write_text("mine")
    line = f"out/people/{number}/notes.txt: not made by finetune cluster; move it elsewhere, since the folders..."
    refused("cluster flat out", line)
    refused(f"cluster out --name {number} Ann", line)
    shutil.copytree("out", "result")
    refused(
        "cluster flat out/people/new --checkpoint model",
        "out/people/new: lies in .../out, which finetune cluster made; give a place beside it",
    )
    mine.unlink()
    assert finetune("cluster", "out", "--name", number, "Ann").status == 0


def test_photos_that_are_gone_are_counted_and_another_folder_is_refused(flat, finetune, refused):
    assert finetune(*START).status == 0
    names = sorted(os.listdir(flat))
    shutil.copytree(flat, "moved")
    assert finetune("cluster", "moved", "out").out[0] == f"0 photos new, {len(names)} known or copies"
    Path("moved", names[0]).unlink()
    assert finetune("cluster", "moved", "out").out[0] == f"0 photos new, {len(names) - 1} known or copies, 1 gone"
    Path("two").mkdir()
    shutil.copy(flat / names[-1], "two")
    before = Path("out/clusters.csv").read_bytes()
    refused(
        "cluster two out",
        f".../two: has 1 of the {len(names) - 1} photos of out, which were in .../moved; give that folder, or...",
    )
    assert Path("out/clusters.csv").read_bytes() == before


def test_options_of_another_model_are_refused_for_a_folder_that_was_made_before(flat, finetune, refused):
    assert finetune(*START).status == 0
    refused(
        "cluster flat out --image-size 100 --standardization per_image",
        "--image-size: out was made with 75; leave it out, or give another OUT",
        "--standardization: out was made with fixed; leave it out, or give another OUT",
    )


@pytest.mark.parametrize("name", ["embeddings.npz", "cluster.json", "corrections.json"])
def test_a_damaged_file_is_told(flat, finetune, refused, name):
    assert finetune(*START).status == 0
    assert finetune("cluster", "out", "--name", min(clusters()), "Ann").status == 0
    content = Path("out", name).read_bytes()
    Path("out", name).write_bytes(content[: len(content) // 2])
    refused("cluster out --merge 1 2", f"out/{name}: damaged ...")


def test_all_faces_of_photos_are_found_and_those_of_one_photo_are_apart(work, finetune):
    (work / "photos").mkdir()
    for number in range(3):
        photo = scene([(10, 20, 90), (120 + number, 5, 90)], 190, 300, seed=number)
        Image.fromarray(photo).save(work / f"photos/{number}.png")
    (work / "photos/empty.png").touch()
    Image.fromarray(np.full([160, 200, 3], 128, np.uint8)).save(work / "photos/nobody.png")
    ended = finetune("cluster", "photos", "out", "--align", "--checkpoint", "model", "--threshold", "-1")
    assert ended.status == 0, ended.err
    rows = [row for row in table() if row["face"]]
    assert [(row["photo"], row["face"]) for row in rows] == [(f"{n}.png", f) for n in range(3) for f in "12"]
    assert all(float(row["left"]) < float(row["right"]) for row in rows)
    for number in range(3):
        one, other = (row["cluster"] for row in rows if row["photo"] == f"{number}.png")
        assert one != other
    reasons = {row["photo"]: row["apart"] for row in table() if not row["face"]}
    assert reasons == {"empty.png": "can't be read", "nobody.png": "no face found"}
    told = finetune("cluster", "out", "--merge", "0.png#1", "0.png#2")
    assert (told.status, "two faces of 0.png would have to be one person" in told.err[0]) == (2, True)
    for options in (["--align"], []):
        told = finetune("cluster", "photos", "out", "--min-face-size", "40", *options)
        assert (told.status, told.err[0].partition("; ")[0]) == (
            2,
            "finetune cluster: out: made from --align --min-face-size 20",
        )
    told = finetune("cluster", "out", "--name", "nobody.png", "Ann")
    assert (told.status, told.err) == (
        2,
        ["finetune cluster: nobody.png: has no usable face (no face found); give another photo"],
    )
    assert finetune("cluster", "out", "--merge", "0.png#1", "empty.png").status == 2
    assert not Path("out/corrections.json").exists()


def test_crops_of_one_photo_are_apart(work, finetune):
    (work / "photos").mkdir()
    Image.fromarray(scene([(10, 20, 90), (120, 5, 90)], 190, 300)).save(work / "photos/both.png")
    assert finetune("align", "photos", "crops", "--all").status == 0
    ended = finetune("cluster", "crops", "out", "--checkpoint", "model", "--threshold", "-1")
    assert ended.status == 0, ended.err
    assert [row["photo"] for row in table()] == ["both_0.png", "both_1.png"]
    assert [row["apart"] for row in table()] == ["single"] * 2  # every similarity is above the threshold


def test_named_clusters_are_enrolled_and_the_others_are_not(flat, finetune):
    assert finetune(*START).status == 0
    first, *_ = found = clusters()
    assert len(found) > 1
    assert finetune("cluster", "out", "--name", first, "Ann").status == 0
    ended = finetune("enroll", "friends.h5", "out", "--checkpoint", "model")
    assert ended.status == 0, ended.err
    stored = read_gallery(Path("friends.h5"))
    assert stored.people == ("Ann",)
    photos = {Path(path.decode()).name for path in stored.photos.paths.tolist()}
    assert photos == clusters()[first]
