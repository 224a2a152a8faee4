"""`finetune classify`: shares, folds, test images without names, and what it refuses."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.align import Alignment, Faces, align
from finetune.cli import sides
from finetune.gallery.classifiers import make
from finetune.model import Model
from tests.cli.test_bad_options import bad

pytestmark = pytest.mark.tf

FOR_TEST = "classify model faces/learn --test test --classifier"
FORM = "--height 50 --width 37"
FIGURES = re.compile(r"accuracy ([\d.]+)(?: ± [\d.]+)? \((\d+) of (\d+)\), macro F-score [\d.]+")


@pytest.fixture
def arrays(work: Path) -> Path:
    """Write the drawn people's images as flat grey rows, as a contest does."""
    paths = sorted((work / "faces/learn").rglob("*.png"))
    grey = np.stack([np.asarray(Image.open(path).convert("L").resize((37, 50))) for path in paths])
    np.save(work / "X.npy", grey.reshape(24, -1).astype(np.float32))
    np.save(work / "y.npy", np.array([int(path.parent.name[-1]) for path in paths]))
    return work


def figures(line: str, name: str) -> tuple[int, int]:
    """Return the numbers of right and of all test images, and assert that the accuracy is their quotient."""
    assert line.startswith(f"{name}: ")
    accuracy, right, images = FIGURES.search(line).groups()
    assert float(accuracy) == pytest.approx(int(right) / int(images), abs=1e-5)
    return int(right), int(images)


@pytest.mark.parametrize("source", ["faces/learn", f"X.npy --labels y.npy {FORM}"])
def test_a_share_of_each_persons_images_is_tested_on(source, arrays, finetune):
    command = f"classify model {source} --split 0.3 --classifier svc --classifier prototype"
    ended = finetune(*command.split())
    assert ended.status == 0
    assert ended.out[-3] == "4 people, 16 images to train on, 8 to test on"  # 2 of each one's 6
    assert [figures(line, name)[1] for line, name in zip(ended.out[-2:], ("svc", "prototype"), strict=True)] == [8, 8]
    assert finetune(*command.split()).out == ended.out


@pytest.mark.parametrize("source", ["faces/learn", f"X.npy --labels y.npy {FORM}"])
def test_folds_test_on_each_image_once_and_embed_it_once(source, arrays, finetune, monkeypatch):
    embedded = []
    embed = sides.Images.embedded
    monkeypatch.setattr(sides.Images, "embedded", lambda *args: embedded.append(rows := embed(*args)) or rows)
    command = f"classify model {source} --folds 3 --classifier svm --classifier prototype"
    ended = finetune(*command.split())
    assert ended.status == 0
    assert ended.out[-3] == "4 people, 24 images in 3 folds"
    for line, name in zip(ended.out[-2:], ("svm", "prototype"), strict=True):
        right, images = figures(line, name)
        assert images == 24
        assert right > 6
        assert len(re.findall(r" ± 0\.\d{5}", line)) == 2
    assert [rows.shape for rows in embedded] == [(24, Model.restore("model").embedding_size)]


def test_people_with_fewer_images_are_left_out_of_folds_and_shares(work, finetune):
    shutil.copytree(work / "faces/learn", work / "people")
    for path in sorted((work / "people/person_001").iterdir())[1:]:
        path.unlink()
    for options, line in (
        (["--folds", "3"], "each of the 3 folds tests on one at least; leave such people out by --min-images 3"),
        (["--split", "0.5"], "a split takes one to train on and one to test on; leave such people out by --min-images"),
    ):
        ended = finetune("classify", "model", "people", *options)
        assert (ended.status, ended.out) == (2, [])
        assert ended.err[-1].startswith(f"finetune classify: person_001 has 1 image; {line}")
        ended = finetune("classify", "model", "people", "--min-images", "6", *options, "--classifier", "prototype")
        assert ended.status == 0
        assert ended.out[0].startswith("3 people, ")
    ended = finetune("classify", "model", "people", "--min-images", "7", "--folds", "3")
    assert (ended.status, ended.err[-1]) == (
        2,
        "finetune classify: 0 of 4 people have 7 images or more; it takes two; lower --min-images, or add photos",
    )


def test_a_person_with_too_few_rows_of_an_array_is_told(arrays, finetune):
    np.save("y.npy", np.array([7, *np.load("y.npy")[1:]]))
    ended = finetune(*f"classify model X.npy --labels y.npy {FORM} --folds 5".split())
    assert ended.status == 2
    assert ended.err[-1].startswith("finetune classify: 7 has 1 image; each of the 5 folds tests on one at least; ")


def test_folds_with_few_images_warn_of_the_published_svms_probabilities(work, finetune):
    ended = finetune(*["classify", "model", "faces/learn", "--folds", "3", "--classifier", "svc"])
    assert ended.err[-1].startswith("svc: somebody has 4 of the 5 photos that its probabilities need")


def unlabelled(work: Path, count: int = 12) -> list[str]:
    """Copy faces without their names into `test`, as 0.png, 1.png, …, and return their people."""
    (work / "test").mkdir()
    paths = sorted((work / "faces/learn").rglob("*.png"))[:: 24 // count]
    for number, path in enumerate(paths):
        shutil.copy(path, work / f"test/{number}.png")
    return [path.parent.name for path in paths]


def test_a_submission_for_images_without_names_is_in_the_order_of_their_numbers(work, finetune):
    people = unlabelled(work)
    ended = finetune(
        *["classify", "model", "faces/learn", "--test", "test", "--classifier", "k-nearest", "--submission", "s.csv"]
    )
    assert (ended.status, ended.out) == (
        0,
        ["4 people, 24 images to train on, 12 to test on", "12 predictions in s.csv"],
    )
    lines = (work / "s.csv").read_text().splitlines()
    assert lines == ["ImageId,PredictedClass", *(f"{number},{person}" for number, person in enumerate(people))]
    ended = finetune(*f"{FOR_TEST} prototype".split())
    assert ended.err[-1] == "the test images have no names to count by; --submission writes the predictions"


def test_no_submission_is_written_whose_lines_would_be_other_images(work, finetune):
    """Damage one test image, and align the photos of another folder, in one of which there is no face."""
    unlabelled(work)
    (work / "test/3.png").write_bytes(b"")
    command = f"{FOR_TEST} prototype"
    ended = finetune(*command.split(), "--submission", "s.csv")
    why = "each later line of the submission would be another image's"
    assert (ended.status, ended.out, ended.err[-1]) == (
        2,
        [],
        f"finetune classify: test/3.png: an empty file; {why}: mend or remove it",
    )
    assert finetune(*command.split()).out[0].endswith("11 to test on")  # it can be counted without
    (work / "test/3.png").unlink()
    box = Faces(np.array([[5.0, 5, 70, 70]]), np.ones(1), np.zeros((1, 10)), 1)
    boxes = {path.name: Faces.none() if path.stem == "7" else box for path in (work / "test").iterdir()}
    align(work / "test", work / "aligned", Alignment(size=75), boxes)
    command = "classify model faces/learn --test aligned --classifier prototype --submission s.csv"
    ended = finetune(*command.split())
    assert (ended.status, ended.out, ended.err[-1]) == (
        2,
        [],
        f"finetune classify: aligned: align left 1 of 11 photos out, such as 7.png; {why}: align them with --fallback "
        "whole",
    )
    assert not (work / "s.csv").exists()
    align(work / "test", work / "whole", Alignment(size=75, fallback="whole"), boxes)
    assert finetune(*command.replace("aligned", "whole").split()).out[-1] == "11 predictions in s.csv"


@pytest.mark.parametrize(
    ("command", "images", "column"),
    [
        ("faces/learn --test test --classifier logistic", 12, "probability"),
        ("faces/learn --test faces/learn --classifier prototype", 24, "score"),
        ("faces/learn --folds 3 --classifier svc", 24, "probability"),
        ("faces/learn --split 0.3 --classifier svm", 8, "score"),
        (f"X.npy --labels y.npy {FORM} --folds 3 --classifier logistic", 24, "probability"),
    ],
)
def test_the_prediction_of_each_image_is_written_with_its_score(command, images, column, arrays, finetune):
    people = unlabelled(arrays)
    ended = finetune(*f"classify model {command} --csv out.csv".split())
    assert ended.status == 0
    assert ended.out[-1] == f"{images} predictions in out.csv"
    with (arrays / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]] == ["image", "name", "predicted", column]
    assert len(rows) == images
    if "test --classifier" in command:
        assert [row["image"] for row in rows] == [f"test/{n}.png" for n in range(12)]
        assert [row["name"] for row in rows] == [""] * 12
        assert np.mean([row["predicted"] == person for row, person in zip(rows, people, strict=True)]) > 0.7
    else:
        right = sum(row["name"] == row["predicted"] for row in rows)
        assert figures(ended.out[-2], command.split()[-1]) == (right, images)
        assert rows[0]["image"] == ("0" if "X.npy" in command else rows[0]["image"]) != ""
    if column == "probability":
        assert all(0.25 <= float(row[column]) <= 1 for row in rows) or "svc" in command  # the highest of four


def test_the_written_probability_is_that_of_the_classifier(work, finetune):
    finetune(
        *["classify", "model", "faces/learn", "--test", "faces/learn", "--classifier", "logistic", "--csv", "out.csv"]
    )
    paths = sorted((work / "faces/learn").rglob("*.png"))
    labels = np.array([int(path.parent.name[-1]) for path in paths])
    rows = Model.restore("model").embed(paths)
    expected = make("logistic", 4).fit(rows, labels).scores(rows).max(axis=1)
    with (work / "out.csv").open() as file:
        written = {row["image"]: float(row["probability"]) for row in csv.DictReader(file)}
    found = [written[str(path.relative_to(work))] for path in paths]
    np.testing.assert_allclose(found, expected, atol=1e-4)


WRONG = [
    bad(
        "a table of two classifiers",
        "classify model faces/learn --test faces/learn --csv out.csv --classifier svc --classifier svm",
        "--csv: takes one classifier; name one",
    ),
    bad(
        "a table that is no CSV",
        "classify model faces/learn --csv out.png",
        "out.png: give a file name that ends in .csv",
    ),
    bad(
        "a table among the images",
        "classify model faces/learn --csv faces/learn/out.csv",
        "faces/learn/out.csv: lies in faces/learn, which stays as it is; give a place beside it",
    ),
    bad(
        "two ways to test",
        "classify model faces/learn --split 0.3 --folds 5",
        "--split and --folds: two ways to test; give one of them",
    ),
    bad(
        "a test set, folds, and more that doesn't go together",
        "classify model faces/learn --folds 5 --test faces/learn --train-images 3 --submission s.csv --height 3",
        "--min-images and --train-images: given with --test, where nothing is split; leave them out",
        "--folds: given with --test, where nothing is split; drop one",
        "--train-images: given with --folds, which says how many are tested; drop one",
        "--submission: given with --folds, which tests on images of PEOPLE; give --test with the contest's images, to "
        "train on all of PEOPLE",
        "--height and --width: give the size of images in .npy, and no .npy is given",
    ),
    bad(
        "a test set and a share",
        "classify model faces/learn --split 0.3 --test faces/learn",
        "--split: given with --test, where nothing is split; drop one",
    ),
    bad(
        "a submission of a share",
        "classify model faces/learn --split 0.3 --submission s.csv",
        "--submission: given with --split, which tests on images of PEOPLE; give --test with the contest's images, to "
        "train on all of PEOPLE",
    ),
    bad(
        "an array with nothing to test on",
        "classify model X.npy --labels y.npy",
        "X.npy: an array; give --test, --split or --folds beside it",
    ),
    bad(
        "an array without labels", "classify model X.npy --folds 5", "--labels: is for PEOPLE in .npy, and needed there"
    ),
    *(
        bad(
            f"the share {share}",
            f"classify model faces/learn --split {share}",
            f"argument --split: found '{share}'; give a number above 0 and below 1; see finetune classify --help",
        )
        for share in ("0", "1", "30", "30%", "-0.1", "nan", "x")
    ),
    *(
        bad(
            f"{folds} folds",
            f"classify model faces/learn --folds {folds}",
            f"argument --folds: found '{folds}'; give a whole number from 2 to 1000; see finetune classify --help",
        )
        for folds in ("0", "1", "-2", "2.5", "all")
    ),
]


@pytest.mark.parametrize(("command", "lines"), WRONG)
def test_what_is_wrong_is_said(refused, command, lines):
    refused(command, *lines)


def test_the_published_protocol_is_followed(work, finetune):
    command = "classify model faces/learn --min-images 5 --classifier svc --train-images 4 --classifier prototype"
    ended = finetune(*command.split())
    assert ended.out[0] == "4 people, 16 images to train on, 8 to test on"
    for line, name in zip(ended.out[1:], ("svc", "prototype"), strict=True):
        right = int(line.split("(")[1].split()[0])
        assert line.startswith(f"{name}: accuracy {right / 8:.5f} ({right} of 8), macro F-score 0.")


def test_too_few_photos_for_the_published_svm_are_told(work, finetune):
    command = "classify model faces/learn --min-images 5 --train-images 2 --classifier svm --classifier svc"
    assert finetune(*command.split()).err[-1] == (
        "svc: somebody has 2 of the 5 photos that its probabilities need, which may then turn out the wrong way round; "
        "svm and prototype do without"
    )


def test_a_test_set_and_a_submission(work, finetune):
    (work / "test").mkdir()
    for name in ("person_001", "person_011"):
        source = work / "faces" / ("learn" if name == "person_001" else "strangers") / name
        shutil.copytree(source, work / "test" / name)
    command = "classify model faces/learn --test test --classifier prototype --submission out.csv"
    ended = finetune(*command.split())
    assert ended.out[0] == "4 people, 24 images to train on, 10 to test on"
    assert ended.err[-1] == "4 test images of people who are not trained on count as wrong"
    lines = (work / "out.csv").read_text().splitlines()
    assert lines[0] == "ImageId,PredictedClass"
    assert [line.split(",")[0] for line in lines[1:]] == [str(number) for number in range(10)]
    right = sum(line.endswith(",person_001") for line in lines[1:7])
    assert f"({right} of 10)" in ended.out[1]


def test_arrays_of_images_are_classified(work, finetune):
    """Classify flat grey rows, as in a contest, whose images are smaller than those of the network."""
    paths = sorted((work / "faces/learn").rglob("*.png"))
    grey = np.stack([np.asarray(Image.open(path).convert("L").resize((37, 50))) for path in paths])
    labels = np.array([int(path.parent.name[-1]) for path in paths])
    np.save(work / "X_train.npy", grey[::2].reshape(12, -1).astype(float))
    np.save(work / "y_train.npy", labels[::2])
    np.save(work / "X_test.npy", grey[1::2].reshape(12, -1).astype(float))
    arrays = "X_train.npy --test X_test.npy --labels y_train.npy --height 50 --width 37"
    ended = finetune(*f"classify model {arrays} --classifier svm --submission out.csv".split())
    assert ended.out[0].startswith("X_train.npy: 12 images, float64 from ")
    assert ended.out[-2:] == ["4 people, 12 images to train on, 12 to test on", "12 predictions in out.csv"]
    found = [int(line.split(",")[1]) for line in (work / "out.csv").read_text().splitlines()[1:]]
    assert np.mean(np.array(found) == labels[1::2]) > 0.25
