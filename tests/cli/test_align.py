"""Output of `finetune align`, and its answers to unusable input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.align.conftest import drawn, scene

LINE = "10 20 90 110 0.99990 1 0 0 0 0 0 0 0 0 0 0"


@pytest.fixture
def photos(work: Path) -> Path:
    """Write photos of two people: one photo has several faces, one has none, and one file is not a photo."""
    folder = work / "photos"
    images = {
        "ann lee/ann lee_0001.png": drawn(1, 130),
        "ann lee/ann lee_0002.png": scene([(10, 20, 90), (120, 5, 70), (180, 60, 110)], 190, 300),
        "bob/bob_0001.png": drawn(2, 130),
        "bob/bob_0002.png": np.full((90, 90, 3), 128, np.uint8),
    }
    for name, pixels in images.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)
    (folder / "bob/notes.txt").write_text("not a photo")
    return folder


def test_it_ends_with_what_has_no_crop_and_the_coverage(photos, finetune, work):
    ended = finetune("align", "photos", "out", "--size", "96", "--boxes", "boxes.txt")
    assert ended.status == 0
    assert ended.err == []
    found = (work / "boxes.txt").read_text().splitlines()[1].split()
    assert ended.out == [
        "bob/bob_0002.png: no face found",
        "bob/notes.txt: not an image (BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP)",
        f"ann lee/ann lee_0002.png: {found[6]} faces; the largest and most central one was cut",
        "photos without a face may lie on a side, or stand on their head: finetune align --turn tries all four turns",
        "5 photos: 3 with a face, 1 of them with several; 1 without; 1 that could not be used; crops in out",
    ]
    crops = {path.relative_to(work / "out").as_posix(): path for path in (work / "out").rglob("*.png")}
    assert set(crops) == {"ann lee/ann lee_0001.png", "ann lee/ann lee_0002.png", "bob/bob_0001.png"}
    for path in crops.values():
        with Image.open(path) as crop:
            assert crop.size == (96, 96)
    assert [line.split()[0] for line in (work / "boxes.txt").read_text().splitlines()] == [
        "ann%20lee/ann%20lee_0001.png",
        "ann%20lee/ann%20lee_0002.png",
        "bob/bob_0001.png",
        "bob/bob_0002.png",
    ]


def test_photos_without_a_face_are_named_and_counted_where_their_centre_is_cut(photos, finetune, work):
    ended = finetune("align", "photos", "out", "--size", "96", "--fallback", "centre")
    assert (ended.status, ended.err) == (0, [])
    assert ended.out[:2] == [
        "bob/notes.txt: not an image (BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP)",
        "bob/bob_0002.png: no face found; its central square was cut instead",
    ]
    assert ended.out[-1] == (
        "5 photos: 3 with a face, 1 of them with several; 1 without, 1 of them cut by the fallback; 1 that could not "
        "be used; crops in out"
    )
    with Image.open(work / "out/bob/bob_0002.png") as crop:
        assert crop.size == (96, 96)
    whole = finetune("align", "photos", "whole", "--size", "96", "--fallback", "whole")
    assert "bob/bob_0002.png: no face found; the whole photo was resized instead" in whole.out
    again = finetune("align", "photos", "out", "--size", "96")
    assert again.err == [
        "finetune align: out: was aligned with fallback centre, not None; use the same settings or another folder"
    ]


def test_a_photo_on_its_side_is_cut_upright(finetune, work):
    photo = Image.fromarray(scene([(30, 40, 110)], 190, 180)).transpose(Image.Transpose.ROTATE_90)
    (work / "photos").mkdir()
    photo.save(work / "photos/side.png")
    ended = finetune("align", "photos", "out", "--turn", "--margin", "0")
    assert ended.out == [
        "1 photo: 1 with a face, 0 of them with several; 0 without; 0 that could not be used; crops in out"
    ]
    with Image.open(work / "out/side.png") as cut:
        crop = np.array(cut.convert("L").resize((40, 40)), float)
    face = np.array(Image.fromarray(drawn(0, 110)).convert("L").resize((40, 40)), float)
    alike = [np.corrcoef(np.rot90(crop, turns).ravel(), face.ravel())[0, 1] for turns in range(4)]
    assert np.argmax(alike) == 0


def test_another_size_needs_the_boxes_alone(photos, finetune, work, monkeypatch):
    finetune("align", "photos", "out", "--boxes", "boxes.txt")
    monkeypatch.setattr("finetune.align.detector.Detector.__call__", lambda *_: pytest.fail("detected"))
    ended = finetune("align", "photos", "small", "--size", "80", "--from-boxes", "boxes.txt")
    assert ended.status == 0
    assert ended.out[-1].startswith("5 photos: 3 with a face, 1 of them with several")
    assert len(list((work / "small").rglob("*.png"))) == 3


def test_one_photo_may_be_given_and_its_crops_lie_beside_it(photos, finetune, work):
    ended = finetune("align", "photos/ann lee/ann lee_0002.png", "photos/ann lee/cut", "--all", "--format", "jpg")
    assert ended.status == 0
    counts = "1 photo: 1 with a face, 1 of them with several; 0 without; 0 that could not be used"
    assert ended.out[-1] == f"{counts}; crops in photos/ann lee/cut"
    assert {path.name for path in (work / "photos/ann lee/cut").glob("*.jpg")} >= {
        "ann lee_0002_0.jpg",
        "ann lee_0002_1.jpg",
    }


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("align", ["the following arguments are required: PHOTOS, OUT; see finetune align --help"]),
        ("align gone out", ["gone: no such file or folder; give an image or a folder of images"]),
        ("align bad/empty out", ["bad/empty: no files in it; give an image or a folder of images"]),
        (
            "align faces/learn bad/used",
            ["bad/used: already there and not made by align; give another folder, or an empty one"],
        ),
        (
            "align faces/learn recipe.yaml",
            ["recipe.yaml: already there and not made by align; give another folder, or an empty one"],
        ),
        (
            "align faces faces/learn/out",
            ["faces/learn/out: lies in faces, which stays as it is; give ..."],
        ),
        ("align faces out --boxes gone/boxes.txt", ["gone: no such folder; make it first"]),
        ("align faces out --boxes faces/pairs.txt", ["faces/pairs.txt: lies in faces, which stays as it is; give ..."]),
        ("align faces out --boxes /dev/null", ["/dev/null: a device; give the name of a file to write"]),
        ("align faces out --boxes faces", ["faces: a folder; give the name of a file to write"]),
        (
            "align faces out --size 0",
            ["argument --size: found '0'; give a whole number from 1 to 4096; see finetune align --help"],
        ),
        (
            "align faces out --margin -1",
            ["argument --margin: found '-1'; give a whole number from 0 to 4096; see finetune align --help"],
        ),
        (
            "align faces out --min-face-size 5",
            ["argument --min-face-size: found '5'; give a whole number from 12 to 4096; see finetune align --help"],
        ),
        (
            "align faces out --score 1.5",
            ["argument --score: found '1.5'; give a number from 0 to 1; see finetune align --help"],
        ),
        (
            "align faces out --score nan",
            ["argument --score: found 'nan'; give a number from 0 to 1; see finetune align --help"],
        ),
        (
            "align faces out --format gif",
            ["argument --format: invalid choice: 'gif' (choose from ...); see finetune align --help"],
        ),
        (
            "align faces out --fallback top",
            ["argument --fallback: invalid choice: 'top' (choose from ...); see finetune align --help"],
        ),
        ("align faces out --fallback", ["argument --fallback: expected one argument; see finetune align --help"]),
        (
            "align faces out --from-boxes faces/pairs.txt --score 0.5 --min-face-size 40",
            [
                "--min-face-size: given with --from-boxes, which detects nothing; drop one",
                "--score: given with --from-boxes, which detects nothing; drop one",
            ],
        ),
        (
            "align faces out --from-boxes ~nobody-at-all/boxes.txt",
            [
                "~nobody-at-all/boxes.txt: can't be read (No such file or directory); "
                "give a file that align --boxes wrote"
            ],
        ),
        (
            "align faces out --from-boxes gone.txt",
            ["gone.txt: can't be read (No such file or directory); give a file that align --boxes wrote"],
        ),
        (
            "align faces out --from-boxes bad/empty.txt",
            ["bad/empty.txt: no boxes in it; give a file that align --boxes wrote"],
        ),
        (
            "align faces out --from-boxes bad/malformed.txt",
            [f"bad/malformed.txt:{line}: found ...; write NAME left top ..." for line in (1, 2, 3, 4)],
        ),
    ],
)
def test_what_it_cannot_use_is_answered_by_its_lines(command, lines, refused):
    refused(command, *lines)


def test_other_settings_than_those_of_the_folder_are_refused(photos, finetune, work, tree):
    (work / "boxes.txt").write_text(f"bob/bob_0001.png {LINE}\n")
    finetune("align", "photos", "out", "--from-boxes", "boxes.txt")
    before = tree(work)
    ended = finetune("align", "photos", "out", "--from-boxes", "boxes.txt", "--size", "182", "--margin", "44")
    assert ended.status == 2
    found = "was aligned with size 160, not 182; margin 32, not 44"
    assert ended.err == [f"finetune align: out: {found}; use the same settings or another folder"]
    assert tree(work) == before
