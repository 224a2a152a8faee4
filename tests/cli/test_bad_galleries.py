"""Gallery commands that fail give the lines that say why, exit status 2, and no written file."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.gallery.storage import write_gallery
from tests.cli.test_bad_options import bad
from tests.gallery.conftest import gallery

pytestmark = pytest.mark.tf

NO_GALLERY = "give a gallery that finetune enroll made"
WRONG = [
    bad(
        "nothing to enrol",
        "enroll g.h5",
        "the following arguments are required: FOLDER; see finetune enroll --help",
    ),
    bad(
        "options that don't go together",
        "enroll g.h5 f.pkl --strangers --name ann",
        "f.pkl: embeddings, not photos; leave --name, --align and --strangers out",
        "--name: given with --strangers, whose names are not kept; drop one",
    ),
    bad(
        "no features",
        "enroll g.h5 f.pkl --checkpoint model",
        "f.pkl: can't be read (No such file or directory); give a pickle of embeddings [n, E], labels [n] and names",
    ),
    bad(
        "no checkpoint",
        "enroll g.h5 faces/learn",
        "--checkpoint: not given; give the checkpoint that embeds the photos",
    ),
    bad(
        "no folder, and no name",
        "enroll g.h5 nowhere --name '' --min-face-size 30",
        "nowhere: no such file or folder; give a folder of people, or photos",
        "'': can't be a person's name: it is empty, or begins or ends with a space; give another --name",
        "--min-face-size: given without --align, which looks for faces",
    ),
    bad(
        "a folder without people",
        "enroll g.h5 faces/learn/person_001 --checkpoint model",
        "faces/learn/person_001: no folders in it; put each person's photos into one, or give --name; finetune cluster "
        "faces/learn/person_001 OUT finds the people in photos without names",
    ),
    bad(
        "one person's folder whose photos are to be aligned",
        "enroll g.h5 faces/learn/person_001 --align --checkpoint model",
        "faces/learn/person_001: no folders in it; put each person's photos into one, or give --name; finetune cluster "
        "faces/learn/person_001 OUT --align finds the people in photos without names",
    ),
    bad(
        "one photo of nobody",
        "enroll g.h5 faces/learn/person_001/person_001_0001.png --checkpoint model",
        "faces/learn/person_001/person_001_0001.png: one photo; say with --name whose it is",
    ),
    bad(
        "a gallery in the folder that is read",
        "enroll faces/learn/g.h5 faces/learn --checkpoint model",
        "faces/learn/g.h5: lies in faces/learn, which stays as it is; give a place beside it",
    ),
    bad(
        "a name that is none",
        "enroll g.h5 faces/learn/person_001 --name unknown --checkpoint model",
        "unknown: can't be a person's name: it is the answer for strangers; give another --name",
    ),
    bad("another file as gallery", "enroll recipe.yaml faces/learn", "recipe.yaml: not a gallery, or damaged; ..."),
    bad("a folder as gallery", "enroll faces faces/learn", "faces: a folder; give the name of a file to write"),
    bad("no gallery to list", "gallery g.h5", f"g.h5: no such file; {NO_GALLERY}"),
    bad("no gallery to identify by", "identify g.h5 faces/learn", f"g.h5: no such file; {NO_GALLERY}"),
    bad(
        "a rate that is none",
        "identify g.h5 faces/learn --far 1",
        "argument --far: found '1'; give a number above 0 and below 1; see finetune identify --help",
    ),
    bad(
        "a score that is none",
        "identify g.h5 faces/learn --threshold nan",
        "argument --threshold: found 'nan'; give a number; see finetune identify --help",
    ),
    bad(
        "two ways to a threshold, of which one counts",
        "identify g.h5 faces/learn --threshold 0.5 --far 0.01",
        "--threshold: given with --far, which finds it; give one of them",
    ),
    *(
        bad(
            f"a score that {classifier} never gives",
            f"identify g.h5 faces/learn --threshold 5 --classifier {classifier}",
            f"--threshold: found 5, which no score of {classifier} exceeds; give 1 at most",
        )
        for classifier in ("prototype", "k-nearest", "logistic", "svc", "head")
    ),
    bad(
        "a face size without looking for faces",
        "identify g.h5 faces/learn --min-face-size 40",
        "--min-face-size: given without --align, which looks for faces",
    ),
    bad("nothing to embed with", "compare a.png b.png", "nothing to embed with; give --gallery or --checkpoint"),
    bad("a folder to compare", "compare faces/learn b.png --checkpoint model", "faces/learn: a folder; give a photo"),
    bad(
        "photos that are not there",
        "compare a.png b.png --checkpoint model",
        "a.png: no such file or folder; give an image or a folder of images",
    ),
    bad(
        "an array without labels",
        "classify model X.npy --test faces/learn --height 3",
        "--labels: is for PEOPLE in .npy, and needed there",
    ),
    bad(
        "options that don't go together",
        "classify model faces/learn --test faces/learn --min-images 3 --height 3 --submission o.csv --classifier svm "
        "--classifier svc",
        "--min-images and --train-images: given with --test, where nothing is split; leave them out",
        "--height and --width: give the size of images in .npy, and no .npy is given",
        "--submission: takes one classifier; name one",
    ),
    bad(
        "too few photos",
        "classify model faces/learn",
        "0 of 4 people have 20 photos or more; it takes two; lower --min-images and --train-images, or add photos",
    ),
    bad(
        "a submission in place of what is read",
        "classify model X.npy --labels y.npy --test Z.npy --submission Z.npy",
        "Z.npy: an input of this command; give another file to write",
    ),
    bad(
        "a submission by another name",
        "classify model faces/learn --submission people.h5",
        "people.h5: give a file name that ends in .csv or .txt",
    ),
    bad("no test set", "classify model faces/learn --test nowhere", "nowhere: no such file or folder; give ..."),
]


@pytest.mark.parametrize(("command", "lines"), WRONG)
def test_what_is_wrong_is_said(refused, command, lines):
    refused(command, *lines)


WRONG_WITH_GALLERY = [
    bad(
        "a table in place of the gallery",
        "identify people.h5 faces/learn --csv people.h5 --threshold 0",
        "people.h5: an input of this command; give another file to write",
    ),
    bad(
        "a table in place of a photo",
        "identify people.h5 faces/pairs.txt --csv faces/pairs.txt --threshold 0",
        "faces/pairs.txt: an input of this command; give another file to write",
    ),
    bad(
        "a table by another name",
        "identify people.h5 faces/learn --csv in.png --threshold 0",
        "in.png: give a file name that ends in .csv",
    ),
    bad(
        "a table in the folder that is read",
        "identify people.h5 recipe.yaml faces/learn --csv faces/learn/out.csv --threshold 0",
        "faces/learn/out.csv: lies in faces/learn, which stays as it is; give a place beside it",
    ),
    bad(
        "nobody of the name", "gallery people.h5 --remove eve", "eve: nobody of that name is enrolled; enrolled are ..."
    ),
    bad(
        "an export of another kind",
        "gallery people.h5 --export out.pkl",
        "out.pkl: give a file name that ends in .npz or .csv",
    ),
    bad(
        "an export over another file's folder",
        "gallery people.h5 --export nowhere/out.csv",
        "nowhere: no such folder; make it first",
    ),
    bad(
        "too few people to promise",
        "identify people.h5 faces/learn",
        "people.h5: enrolled people (4) can promise a false accept rate of no less than 0.334, not 0.01, for which it "
        "takes 198; enrol strangers (finetune enroll GALLERY FOLDER --strangers), or give --far or --threshold",
    ),
    bad(
        "pictures into the folder that is read",
        "identify people.h5 faces/learn --draw faces/learn/out --threshold 0",
        "faces/learn/out: lies in faces/learn, which stays as it is; give a place beside it",
    ),
    bad(
        "pictures into a folder in use",
        "identify people.h5 faces/learn --draw bad/used --threshold 0",
        "bad/used: already there and not an empty folder; give another, or remove it",
    ),
    bad(
        "another preprocessing",
        "identify people.h5 faces/learn --standardization per_image --threshold 0",
        "people.h5: made with standardization fixed, not per_image; leave that option out, or make another gallery",
    ),
    bad(
        "a head without names",
        "identify people.h5 faces/learn --classifier head --threshold 0",
        "...classes without names; give a checkpoint of a run, with class_names.txt, or another classifier",
    ),
    bad(
        "texts",
        "identify people.h5 bad/texts --threshold 0",
        "bad/texts/ann/notes.txt: not an image (...); there is no face to name; give aligned faces, or photos with "
        "--align",
    ),
]


@pytest.mark.parametrize(("command", "lines"), WRONG_WITH_GALLERY)
def test_what_is_wrong_with_a_gallery_at_hand_is_said(enrolled, refused, command, lines):
    refused(command, *lines)


def test_an_empty_gallery_and_one_whose_checkpoint_has_gone(work, finetune):
    write_gallery(work / "g.h5", gallery())
    ended = finetune("identify", "g.h5", "faces/learn", "--threshold", "0")
    assert ended.status == 2
    assert ended.err[0].endswith("; the gallery's checkpoint was there: give --checkpoint")
    finetune("gallery", "g.h5", *(word for number in range(5) for word in ("--remove", f"person {number}")))
    ended = finetune("identify", "g.h5", "faces/learn")
    assert ended.err == ["finetune identify: g.h5: nobody is enrolled; see finetune enroll --help"]


def test_an_export_never_replaces_the_gallery(work, finetune):
    write_gallery(work / "g.csv", gallery())
    before = (work / "g.csv").read_bytes()
    assert finetune("gallery", "g.csv", "--export", "g.csv").status == 2
    assert Path("g.csv").read_bytes() == before
