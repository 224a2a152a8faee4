"""Gallery commands: enrol, list, change, identify."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.gallery.storage import read_gallery, write_gallery
from tests.align.conftest import scene
from tests.gallery.conftest import bomb, gallery

pytestmark = pytest.mark.tf


def test_people_are_listed_with_what_they_were_made_with(enrolled, finetune):
    ended = finetune("gallery", "people.h5")
    assert ended.out[:4] == [f"      6 person_00{number}" for number in (1, 2, 3, 4)]
    assert ended.out[4] == "4 people, 24 photos; 0 strangers to calibrate by"
    assert ended.out[5].endswith("75 pixels, fixed standardization")


def test_the_checkpoint_is_remembered_and_photos_are_skipped(enrolled, finetune):
    ended = finetune("enroll", "people.h5", "faces/learn")
    assert ended.out == ["0 photos enrolled (nobody new), 24 there already", "people.h5: 4 people, 24 photos"]
    assert ended.err == ["there already: 24 photos"]


def test_one_photo_of_one_person_is_enrolled_by_name(enrolled, finetune):
    photo = "faces/strangers/person_011/person_011_0001.png"
    ended = finetune("enroll", "people.h5", photo, "--name", "Zoë")
    assert ended.out[0] == "1 photo enrolled (1 person new), 0 there already"
    assert read_gallery(enrolled / "people.h5").people[-1] == "Zoë"
    again = finetune("enroll", "people.h5", photo, "--name", "Ann")
    assert again.err == ["there already, as Zoë: person_011_0001.png"]


def test_a_new_photo_with_a_poor_face_is_told_and_enrolled(enrolled, finetune):
    for number, factor in ((1, 0.1), (2, 1.0)):
        with Image.open(f"faces/strangers/person_011/person_011_000{number}.png") as image:
            (enrolled / "new/Ann").mkdir(parents=True, exist_ok=True)
            image.point(lambda value, by=factor: int(by * value)).save(enrolled / f"new/Ann/{number}.png")
    ended = finetune("enroll", "people.h5", "new")
    assert ended.out[0] == "2 photos enrolled (1 person new), 0 there already"
    told = [line for line in ended.err if line.startswith("poor photo: ")]
    assert len(told) == 1
    assert re.fullmatch(
        r"poor photo: .*new/Ann/1\.png: dark: 95 percent of the face has a luminance below \d+ of 255", told[0]
    )
    assert finetune("enroll", "people.h5", "new").err == ["there already: 2 photos"]


def test_one_name_in_two_spellings_is_said_and_looked_up_as_it_is_written_first(enrolled, finetune):
    photo = "faces/strangers/person_011/person_011_0001.png"
    ended = finetune("enroll", "people.h5", photo, "--name", "Person 001")
    twice = "look again: Person 001 and person_001 are one name, enrolled as two people"
    assert ended.err[-1] == f"{twice}; finetune gallery --merge makes them one"
    ended = finetune("gallery", "people.h5", "--merge", "Person 001", "person_001", "--remove", "PERSON-002")
    assert ended.out[:3] == ["      7 person_001", "      6 person_003", "      6 person_004"]


@pytest.mark.parametrize("align", [(), ("--align",)], ids=["aligned", "photos"])
def test_of_photos_that_nobody_enrolled_nothing_stays_in_the_cache(enrolled, finetune, monkeypatch, align):
    monkeypatch.setenv("FINETUNE_CACHE", str(enrolled / "cache/features"))

    def kept():
        return {path: path.read_bytes() for path in (enrolled / "cache").rglob("*") if path.is_file()}

    assert finetune("enroll", "other.h5", "faces/learn", "--checkpoint", "model").status == 0
    before = kept()
    assert any(path.suffix == ".rows" for path in before)
    photos = [f"faces/strangers/person_0{number}/person_0{number}_0001.png" for number in (11, 12)]
    if align:
        photos = ["near.png", "far.png"]
        for name, side in zip(photos, (90, 70), strict=True):
            Image.fromarray(scene([(40, 30, side)], 150, 180)).save(enrolled / name)
    ended = finetune("identify", "other.h5", *photos, "--threshold", "0.5", *align)
    assert ended.status == 0
    assert all("nearest" in line or "runner-up" in line for line in ended.out[:2])
    assert finetune("compare", *photos, "--gallery", "other.h5", *align).status == 0
    assert kept() == before


def test_people_are_renamed_merged_and_removed(enrolled, finetune):
    command = "gallery people.h5 --merge person_002 person_001 --rename person_001 Ann --remove person_003"
    ended = finetune(*command.split())
    assert ended.out[:3] == ["     12 Ann", "      6 person_004", "2 people, 18 photos; 0 strangers to calibrate by"]


def test_one_photo_is_moved_and_one_removed(enrolled, finetune):
    command = "gallery people.h5 --move-photo person_001/person_001_0002.png person_002 --remove-photo"
    ended = finetune(*command.split(), "person_001/person_001_0003.png")
    assert [line.split() for line in ended.out[:2]] == [["4", "person_001"], ["7", "person_002"]]
    found = read_gallery(enrolled / "people.h5")
    names = [found.photo_name(row) for row in range(len(found))]
    assert "person_002/person_001_0002.png" in names
    assert not [name for name in names if name.endswith("person_001_0003.png")]


def test_copies_among_new_photos_are_not_called_enrolled_before(work, finetune):
    shutil.copytree(work / "faces/learn", work / "people")
    first = work / "people/person_001/person_001_0001.png"
    shutil.copy(first, first.with_name("copy.png"))
    shutil.copy(first, work / "people/person_002/holiday.png")
    ended = finetune("enroll", "people.h5", "people", "--checkpoint", "model")
    assert ended.out[0] == "24 photos enrolled (4 people new), 0 there already, 2 copies of new ones"
    told = [line for line in ended.err if line.startswith(("a copy ", "copies ", "there already"))]
    assert told == ["a copy of a new photo of person_001: holiday.png", "copies of other new photos: 1 photo"]
    assert finetune("enroll", "people.h5", "people").out[0] == "0 photos enrolled (nobody new), 26 there already"


def test_photos_without_names_are_called_by_their_own_files_and_lead_to_clusters(work, finetune):
    (work / "my photos/ann").mkdir(parents=True)
    for number in range(4):
        photo = scene([(40, 30, 110)], 190, 220, seed=number)
        Image.fromarray(photo).save(work / "my photos" / ("ann" if number == 3 else "") / f"{number}.bmp")
    ended = finetune("enroll", "g.h5", "my photos", "--align", "--checkpoint", "model")
    assert (ended.status, ended.out[-1]) == (0, "g.h5: 1 person, 1 photo")
    assert "left out:       3 not in a person's folder: my photos/0.bmp, …" in ended.err
    advice = "finetune cluster 'my photos' OUT --align finds the people in photos without names"
    assert advice in ended.err
    for number in range(2):
        (work / f"my photos/{number}.bmp").unlink()
    assert advice not in finetune("enroll", "g.h5", "my photos", "--align").err  # as many have a name as have none
    (work / "my photos/ann").rename(work / "my photos/bob")
    ended = finetune("enroll", "g.h5", "my photos", "--align")
    assert "there already, as ann: 3.bmp" in ended.err
    for number, name in enumerate(("ann", "eve"), 5):
        (work / "others" / name).mkdir(parents=True)
        Image.fromarray(scene([(40, 30, 110)], 190, 220, seed=number)).save(work / f"others/{name}/{number}.bmp")
    ended = finetune("enroll", "g.h5", "others", "--align", "--strangers")
    assert "left out:       1 enrolled: no stranger: others/ann" in ended.err


def test_files_that_are_gone_or_changed_are_listed(work, finetune):
    people = work / "people"
    shutil.copytree(work / "faces/learn", people)
    finetune("enroll", "people.h5", "people", "--checkpoint", "model")
    assert len(finetune("gallery", "people.h5").out) == 6  # all as they were
    gone, changed = (people / "person_001" / f"person_001_000{number}.png" for number in (1, 2))
    gone.unlink()
    shutil.copy(work / "faces/strangers/person_011/person_011_0001.png", changed)
    ended = finetune("gallery", "people.h5")
    assert ended.out[6:] == [
        f"person_001/person_001_0001.png: gone, it was {gone}",
        f"person_001/person_001_0002.png: has other content now in {changed}; enroll adds that too",
        "1 photo gone and 1 photo changed since they were enrolled; --remove-photo PERSON/FILE removes one",
    ]
    people.rename(work / "elsewhere")
    assert finetune("gallery", "people.h5").out[-2:] == [
        "person_004/person_004_0002.png: gone, it was " + str(people / "person_004/person_004_0002.png"),
        "24 photos gone since they were enrolled; --remove-photo PERSON/FILE removes one",
    ]
    ended = finetune("enroll", "people.h5", "elsewhere")  # one new photo: what now lies under a known name
    assert ended.out[0] == "1 photo enrolled (nobody new), 22 there already"
    assert [line for line in finetune("gallery", "people.h5").out[6:] if line.startswith("person")] == [
        f"person_001/person_001_0001.png: gone, it was {gone}",
        f"person_001/person_001_0002.png: gone, it was {changed}",
    ]


def test_a_gallery_is_written_out(enrolled, finetune):
    assert finetune("gallery", "people.h5", "--export", "out.npz").out == ["24 photos of 4 people in out.npz"]
    assert finetune("gallery", "people.h5", "--export", "out.csv").status == 0
    found = read_gallery(enrolled / "people.h5")
    with np.load(enrolled / "out.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["embeddings"], found.embeddings)
        assert arrays["names"].tolist() == [found.people[label] for label in found.labels]
        assert (arrays["image_size"], arrays["standardization"]) == (75, "fixed")
    with (enrolled / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [bytes.fromhex(row["sha256"]) for row in rows] == found.photos.hashes()
    assert [(row["name"], row["file"]) for row in rows[:1]] == [("person_001", "person_001_0001.png")]


def test_features_of_another_tool_are_enrolled(work, finetune):
    rows = np.random.default_rng(0).normal(size=[4, 512])
    (work / "all_features.pkl").write_bytes(pickle.dumps((rows, [0, 0, 1, 1], ["ann", "bob"])))
    ended = finetune("enroll", "g.h5", "all_features.pkl", "--checkpoint", "model")
    assert ended.out[0].startswith("all_features.pkl: 4 embeddings of 2 people enrolled, taken to be of model-")
    assert (
        finetune("enroll", "g.h5", "all_features.pkl").out[0].startswith("all_features.pkl: 0 embeddings of 0 people")
    )


def test_strangers_calibrate_and_faces_are_named(enrolled, finetune):
    ended = finetune("enroll", "people.h5", "faces/strangers", "--strangers")
    assert ended.out[0] == "24 photos of strangers added: 6 strangers with 24 photos to calibrate by"
    command = "identify people.h5 faces/learn --far 0.2 --csv out.csv --draw drawn --labelled faces/strangers"
    ended = finetune(*command.split())
    assert ended.status == 0
    assert ended.out[0].startswith("faces/learn/person_001/person_001_0001.png: ")
    threshold = next(line for line in ended.out if line.startswith("named above a score of "))
    assert threshold.endswith("from 6 strangers)")
    assert "for a false accept rate of 0.2 (95 %: " in threshold
    with (enrolled / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    value = float(threshold.split()[5].rstrip(","))
    assert len(rows) == 48
    for row in rows:
        assert row["nearest"] == (row["nearest"] if row["name"] == "unknown" else row["name"]) != ""
        assert abs(float(row["score"]) - value) < 1e-4 or (row["name"] != "unknown") == (float(row["score"]) > value)
    strangers = [row["name"] != "unknown" for row in rows[24:]]
    assert f"24 photos of strangers: {np.mean(strangers):.4f} named as somebody (false accept rate)" in ended.out
    correctly = np.mean([row["name"] == row["photo"].split("/")[2] for row in rows[:24]])
    assert any(line.startswith(f"24 photos of enrolled people: {correctly:.4f} named correctly") for line in ended.out)
    assert len(list((enrolled / "drawn").rglob("*.jpg"))) == 48


def test_labelled_photos_have_tables_figures_and_curves(enrolled, finetune):
    command = "identify people.h5 faces/learn faces/strangers --threshold 0.9 --labelled --json out.json --curves c.svg"
    ended = finetune(*command.split())
    assert ended.status == 0
    stored = json.loads((enrolled / "out.json").read_text())
    assert (stored["faces"], stored["photos"], stored["photos_of_others"]) == ("centred", 24, 24)
    table = [line.split() for line in ended.out]
    assert ["rank", "1", f"{stored['cmc']['rates'][0]:.4f}"] in [row[:3] for row in table]
    assert ["FPIR", "at", "this", "threshold", f"{stored['fpir']['value']:.4f}"] in [row[:5] for row in table]
    assert stored["tpir"]["value"] == sum(person["right"] for person in stored["people"]) / 24
    line = next(line for line in ended.out if line.startswith("24 photos of enrolled people: "))
    assert f" {stored['tpir']['value']:.4f} named correctly" in line
    drawn = (enrolled / "c.svg").read_text()
    assert all(title in drawn for title in ("CMC", "DET", "ROC")) or drawn.count('<g id="axes_') == 3
    again = finetune(*command.replace("c.svg", "d.svg").replace("out.json", "again.json").split())
    assert again.out == ended.out
    assert (enrolled / "again.json").read_bytes() == (enrolled / "out.json").read_bytes()


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (
            "--faces one --json out.json --min-face-size 30",
            [
                "--min-face-size: given without --align, which looks for faces",
                "--faces: given without --labelled, which counts photos by their folders; give both",
                "--json: given without --labelled, which counts photos by their folders; give both",
            ],
        ),
        ("--curves out.svg", ["--curves: given without --labelled, ...; give both"]),
        ("--labelled --curves out.txt", ["out.txt: give a file name that ends in .svg or .png or .pdf"]),
        ("--labelled --json out.csv", ["out.csv: give a file name that ends in .json"]),
        ("--labelled --faces all", ["argument --faces: invalid choice: 'all' ..."]),
        ("--labelled --json faces/learn/out.json", ["faces/learn/out.json: lies in faces/learn, ..."]),
    ],
)
def test_options_of_labelled_photos_that_can_not_be_used_are_refused(options, lines, enrolled, refused):
    refused(f"identify people.h5 faces/learn {options}", *lines)


def test_photos_in_one_folder_show_neither_their_people_nor_strangers(enrolled, finetune):
    (enrolled / "flat").mkdir()
    for photo in (enrolled / "faces/learn").rglob("*1.png"):
        shutil.copy(photo, enrolled / "flat")
    command = ("identify", "people.h5", "--threshold", "0.9", "--labelled")
    ended = finetune(*command, "flat", "--json", "out.json")
    assert ended.status == 0
    assert ended.err[-1] == "--labelled: no photo lies in a folder of its person; nothing is counted"
    assert not [line for line in ended.out if "stranger" in line]
    assert not (enrolled / "out.json").exists()
    for folders, told in (
        (("faces/learn/person_001",), "6 photos of enrolled people: "),
        (("faces/learn/person_001", "flat"), "4 photos of strangers: "),
        (("faces/strangers",), "24 photos of strangers: "),
    ):
        assert any(line.startswith(told) for line in finetune(*command, *folders).out), folders


@pytest.mark.parametrize("classifier", ["k-nearest", "svm", "logistic", "svc"])
def test_other_classifiers_name_the_enrolled_photos(enrolled, finetune, classifier):
    ended = finetune(*f"identify people.h5 faces/learn --threshold -9 --labelled --classifier {classifier}".split())
    figures = next(line for line in ended.out if " photos of enrolled people: " in line)
    assert ended.err[0].startswith("faces/learn/person_001/person_001_0001.png: 80 x 80 pixels, of which the central")
    assert figures.startswith("24 photos of enrolled people: ")
    assert float(figures.split(": ")[1].split()[0]) > 0.4


def test_scores_of_svms_may_be_above_1(enrolled, finetune):
    ended = finetune(*["identify", "people.h5", "faces/learn", "--threshold", "1.5", "--classifier", "svm"])
    assert (ended.status, ended.out[-1]) == (0, "named above a score of 1.5000, as given")


@pytest.mark.slow
def test_photos_are_aligned_on_the_way(work, finetune):
    for number, name in enumerate(("ann", "bob")):
        (work / "photos" / name).mkdir(parents=True)
        for i in range(2):
            photo = scene([(40, 30, 110 + 3 * number)], 190, 220 + 10 * number, seed=i)
            Image.fromarray(photo).save(work / "photos" / name / f"{i}.png")
    (work / "photos" / "ann" / "nobody.png").write_bytes(b"")
    ended = finetune("enroll", "g.h5", "photos", "--align", "--checkpoint", "model")
    assert ended.out[-1] == "g.h5: 2 people, 4 photos"
    assert "left out: ann/nobody.png: an empty file" in ended.err
    found = read_gallery(work / "g.h5")  # the photos, not their crops in the cache
    paths = [work / "photos" / name / f"{i}.png" for name in ("ann", "bob") for i in range(2)]
    assert found.photos.paths.tolist() == [str(path).encode() for path in paths]
    assert [bytes(row) for row in found.photos.originals] == [hashlib.sha256(p.read_bytes()).digest() for p in paths]
    Image.fromarray(scene([(10, 20, 90), (120, 5, 70)], 190, 300)).save(work / "group.png")
    ended = finetune("identify", "g.h5", "group.png", "--align", "--threshold", "1")
    assert [line.split(", nearest")[0] for line in ended.out[:2]] == [
        "group.png, face 1: unknown",
        "group.png, face 2: unknown",
    ]


def test_a_bomb_and_links_among_the_photos_are_left_out_or_read_and_nothing_else_is_written(work, finetune, tree):
    """Enrol hostile photos: an image of 3.6 billion pixels, a link to a device, a link to another folder."""
    hostile = work / "hostile" / "ann"
    hostile.mkdir(parents=True)
    (hostile / "bomb.png").write_bytes(bomb())
    (hostile / "device.png").symlink_to("/dev/zero")
    (hostile / "linked.png").symlink_to(work / "faces/learn/person_001/person_001_0001.png")
    (hostile / "loop.png").symlink_to("loop.png")
    before = tree(work / "faces")
    ended = finetune("enroll", "g.h5", "hostile", "--checkpoint", "model")
    assert (ended.status, ended.out[-1]) == (0, "g.h5: 1 person, 1 photo")
    for name, reason in (("bomb", "more than 89478485 pixels"), ("device", "not a file"), ("loop", "")):
        assert any(f"{reason}: hostile/ann/{name}.png" in line for line in ended.err)
    ended = finetune("identify", "g.h5", "hostile", "--threshold", "0", "--draw", "drawn")
    assert [line.partition(": ")[0] for line in ended.out[:4]] == [
        f"hostile/ann/{name}.png" for name in ("bomb", "device", "linked", "loop")
    ]
    assert [path.relative_to(work / "drawn").as_posix() for path in (work / "drawn").rglob("*.jpg")] == [
        "ann/linked.png.jpg"
    ]
    assert tree(work / "faces") == before
    assert sorted(path.name for path in work.iterdir()) == sorted(
        ["drawn", "faces", "g.h5", "hostile", "model", "recipe.yaml"]
    )


def test_listing_and_changing_do_not_wait_for_tensorflow(tmp_path):
    write_gallery(tmp_path / "g.h5", gallery())
    code = (
        "import sys; from finetune.cli import main\n"
        "assert main(['gallery', 'g.h5', '--remove', 'person 1', '--export', 'out.npz']) == 0\n"
        "print('tensorflow' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["16 photos of 4 people in out.npz", "False"]


@pytest.mark.slow
def test_nothing_stays_of_faces_that_were_only_asked_about(work, finetune, tree, monkeypatch):
    """Compare the whole cache and the folder of temporary files before and after each command."""
    kept, temporary = work.parent / "kept", work.parent / "temporary"
    for folder in (kept, temporary):
        folder.mkdir()
    monkeypatch.setenv("FINETUNE_CACHE", str(kept / "features"))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    finetune("enroll", "people.h5", "faces/learn", "--checkpoint", "model")
    finetune(
        *["identify", "people.h5", "faces/learn", "--threshold", "0", "--classifier", "svm"]
    )  # whose SVMs are kept
    finetune(*["classify", "model", "faces/learn", "--min-images", "2", "--train-images", "1", "--classifier", "svm"])
    assert len(list(kept.rglob("*.rows"))) == 1
    Image.fromarray(scene([(10, 20, 90), (120, 5, 70)], 190, 300)).save(work / "group.png")
    Image.fromarray(scene([(10, 20, 90)], 190, 220)).save(work / "one.png")
    photo = "faces/strangers/person_011/person_011_0001.png"
    (work / "s").mkdir()
    Image.fromarray(scene([(20, 10, 95)], 180, 200)).save(work / "s" / "eve.png")
    finetune("enroll", "others.h5", "s", "--strangers", "--align", "--checkpoint", "model")
    assert len(read_gallery(work / "others.h5").strangers) == 1
    assert not [path for path in (*kept.rglob("*"), *temporary.rglob("*")) if "eve" in path.name]  # nor her face
    assert not (kept / "aligned").exists()
    before = tree(kept) | tree(temporary)
    for command in (
        f"identify people.h5 {photo} --threshold 0",
        "identify people.h5 faces/strangers --threshold 0 --labelled --classifier svm",
        "identify people.h5 group.png --align --threshold 0",
        f"compare {photo} faces/strangers/person_012/person_012_0001.png --gallery people.h5 --far 0.5",
        "compare one.png one.png --align --gallery people.h5 --far 0.5",
        "classify model faces/learn --test faces/strangers --classifier prototype",
    ):
        assert finetune(*command.split()).status == 0
        assert tree(kept) | tree(temporary) == before, command


def test_a_removed_photo_is_not_enrolled_again_until_it_is_taken_back(enrolled, finetune):
    photo = "person_001/person_001_0003.png"
    ended = finetune("gallery", "people.h5", "--remove-photo", photo)
    assert f"not person_001, as decided: {photo}" in ended.out
    again = finetune("enroll", "people.h5", "faces/learn")
    assert again.status == 0
    assert again.out[0] == "0 photos enrolled (nobody new), 23 there already"
    told = [line for line in again.err if line.startswith("left out, as decided: ")]
    assert told == [
        "left out, as decided: 1 photo of a face that was removed from person_001; "
        "finetune gallery --take-back allows it again"
    ]
    alone = finetune("enroll", "people.h5", f"faces/learn/{photo}", "--name", "Person 001")
    assert alone.out == ["0 photos enrolled (nobody new), 0 there already", "people.h5: 4 people, 23 photos"]
    wrong = finetune("gallery", "people.h5", "--take-back", "person_002/person_001_0003.png")
    assert (wrong.status, wrong.err) == (
        2,
        [f"finetune gallery: person_002/person_001_0003.png: no photo of that name was removed; decided are {photo}"],
    )
    assert finetune("gallery", "people.h5", "--take-back", photo).status == 0
    assert finetune("enroll", "people.h5", "faces/learn").out[0] == "1 photo enrolled (nobody new), 23 there already"


def test_a_photo_does_not_come_back_by_a_merge(enrolled, finetune):
    before = (enrolled / "people.h5").read_bytes()
    move = ("--move-photo", "person_001/person_001_0002.png", "person_002")
    ended = finetune("gallery", "people.h5", *move, "--merge", "person_002", "person_001")
    assert ended.status == 2
    assert "person_001/person_001_0002.png: the same face was removed from this person; remove" in ended.err[0]
    assert (enrolled / "people.h5").read_bytes() == before


def test_faces_are_enrolled_from_a_list(enrolled, finetune):
    strangers = enrolled / "faces/strangers"
    rows = [f"{strangers}/person_011/person_011_000{number}.png,,,,,Zoë" for number in (1, 2)]
    rows.append(f"{strangers}/person_012/person_012_0001.png,5,5,70,70,Bo")
    (enrolled / "faces.csv").write_text("\n".join(["photo,left,top,right,bottom,name", *rows]))
    ended = finetune("enroll", "people.h5", "faces.csv")
    assert (ended.status, ended.out) == (
        0,
        ["3 photos enrolled (2 people new), 0 there already", "people.h5: 6 people, 27 photos"],
    )
    found = read_gallery(enrolled / "people.h5")
    assert [found.photo_name(row) for row in (24, 26)] == ["Zoë/person_011_0001.png", "Bo/person_012_0001.png"]
    assert [bool(place) for place in found.photos.paths[24:].tolist()] == [True, True, False]
    assert finetune("enroll", "people.h5", "faces.csv").out[0] == "0 photos enrolled (nobody new), 3 there already"
    told = "1 photo whose files are not noted; enrolling their folders again notes them, except for faces cut by a box"
    assert finetune("gallery", "people.h5").out[-1] == told

    (enrolled / "faces.csv").write_text("photo,name\nnone.png,Ann\nnone.png,a/b\n")
    before = (enrolled / "people.h5").read_bytes()
    wrong = finetune("enroll", "people.h5", "faces.csv")
    assert wrong.status == 2
    lines = [line.split(": ")[1] for line in wrong.err if ".csv:" in line]
    assert lines == ["faces.csv:2", "faces.csv:3", "faces.csv:3"]
    assert finetune("enroll", "people.h5", "faces.csv", "--name", "Ann").status == 2
    assert (enrolled / "people.h5").read_bytes() == before


def test_named_clusters_are_enrolled(enrolled, finetune):
    (enrolled / "out").mkdir()
    photos = enrolled / "faces/strangers"
    (enrolled / "out/cluster.json").write_text(json.dumps({"photos": str(photos)}))
    (enrolled / "out/clusters.csv").write_text(
        "photo,face,left,top,right,bottom,cluster,name,apart\n"
        "person_011/person_011_0001.png,1,5,5,70,70,1,Zoë,\n"
        "person_011/person_011_0002.png,1,5,5,70,70,1,Zoë,far\n"
        "person_012/person_012_0001.png,1,5,5,70,70,2,,\n"
    )
    ended = finetune("enroll", "people.h5", "out")
    assert ended.out == ["1 photo enrolled (1 person new), 0 there already", "people.h5: 5 people, 25 photos"]
