"""The report of a folder names every planted fault, and nothing else."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from finetune.align.aligner import Alignment, align
from finetune.align.faces import Faces
from finetune.dataset.scanning import scan
from finetune.doctor.examination import examine
from finetune.doctor.finding import KINDS
from finetune.doctor.report import Report
from finetune.errors import DataError
from finetune.images import inspection


def found(report: Report) -> dict[str, list[str]]:
    return {
        kind: [report.name(finding.path) for finding in report.findings if finding.kind == kind]
        for kind in report.counts()
    }


def test_a_folder_without_a_fault_has_no_findings(people: Path):
    report = examine(people, crop=90)
    assert report.findings == ()
    assert report.summary() == ["12 images of 3 people, 0 files that can't be read; 0 findings"]


def test_every_fault_is_found_under_its_name(people: Path, save):
    first, second = people / "person_0", people / "person_1"
    save(people / "stray.png", 50)
    save(first / "deeper" / "x.png", 51)
    (first / "empty.jpg").touch()
    (first / "page.jpg").write_text("<html>not found</html>")
    whole = save(first / "cut.png", 52).read_bytes()
    (first / "cut.png").write_bytes(whole[: len(whole) // 2])
    (second / "nowhere.png").symlink_to("gone.png")
    save(second / "small.png", 53, 40)
    save(second / "photo.png", 54, 250)
    Image.open(save(second / "wide.png", 55)).crop((0, 0, 96, 92)).save(second / "wide.png")
    shutil.copy(first / "0.png", first / "0 (copy).png")
    shutil.copy(first / "1.png", second / "z.png")
    Image.open(first / "2.png").save(first / "2 again.jpg", quality=50)
    Image.open(first / "3.png").resize((92, 92)).save(second / "3 of another.jpg", quality=80)
    (people / "nobody").mkdir()
    save(people / "lonely" / "1.png", 56)
    report = examine(people, crop=90)
    assert found(report) == {
        "misplaced": ["person_0/deeper", "stray.png"],
        "empty": ["person_0/empty.jpg"],
        "not-image": ["person_0/page.jpg"],
        "unreadable": ["person_0/cut.png", "person_1/nowhere.png"],
        "too-small": ["person_1/small.png"],
        "unaligned": ["person_1/photo.png", "person_1/wide.png"],
        "copy-within": ["person_0/0.png"],
        "copy-across": ["person_0/1.png", "person_1/z.png"],
        "near-copy-within": ["person_0/2 again.jpg"],
        "near-copy-across": ["person_0/3.png", "person_1/3 of another.jpg"],
        "few-images": ["lonely"],
        "no-images": ["nobody"],
    }
    assert set(report.counts()) <= set(KINDS)
    moved = {"empty", "not-image", "unreadable", "too-small", "copy-within", "near-copy-within"}
    moved |= {"copy-across", "near-copy-across"}  # nobody can say whose they are
    assert {finding.kind for finding in report.findings if finding.moves} == moved
    told = json.loads(json.dumps(report.to_json()))
    assert told["counts"] == report.counts()
    assert [finding["reason"] for finding in told["findings"]] == [finding.reason for finding in report.findings]


def test_a_folder_that_training_refuses_is_examined(tmp_path: Path):
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "1.jpg").write_text("no image")
    with pytest.raises(DataError):
        scan(tmp_path)
    assert found(examine(tmp_path)) == {"not-image": ["ann/1.jpg"], "no-images": ["ann"]}


def test_what_it_calls_usable_is_what_training_takes(people: Path, save):
    save(people / "person_0" / "small.png", 60, 40)
    (people / "person_0" / "x.txt").write_text("no image")
    report = examine(people, crop=90)
    left_out = {finding.path for finding in report.findings if finding.kind in ("too-small", "not-image")}
    assert left_out == {quarantined.path for quarantined in scan(people, crop=90).quarantined}


def test_a_file_that_is_no_regular_file_is_not_waited_for(people: Path):
    os.mkfifo(people / "person_0" / "pipe.jpg")
    assert found(examine(people, crop=90)) == {"unreadable": ["person_0/pipe.jpg"]}


def test_a_second_run_decodes_nothing_but_what_is_new(people: Path, save, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))
    decoded: list[Path] = []
    read = inspection.read_image

    def counting(path: Path, checksum: int):
        decoded.append(path)
        return read(path, checksum=checksum)

    monkeypatch.setattr(inspection, "read_image", counting)
    shutil.copy(people / "person_0" / "0.png", people / "person_1" / "the same.png")
    first = examine(people, crop=90)
    assert len(decoded) == 12
    decoded.clear()
    new = save(people / "person_1" / "new.png", 70)
    second = examine(people, crop=90)
    assert decoded == [new]
    assert second.findings == first.findings


def encoded(kind: str) -> bytes:
    content = io.BytesIO()
    Image.effect_mandelbrot((40, 30), (-2, -1.5, 1, 1.5), 20).convert("RGB").save(content, kind)
    return content.getvalue()


@pytest.mark.parametrize("kind", ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"])
@settings(max_examples=15)
@given(data=st.data())
def test_every_damaged_file_is_accounted_for(tmp_path_factory, kind: str, data: st.DataObject):
    root = tmp_path_factory.mktemp("damaged")
    whole = encoded(kind)
    contents = []
    for number in range(4):
        content = bytearray(whole)
        for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=20)):
            content[place] = data.draw(st.integers(0, 255))
        contents.append(bytes(content[: data.draw(st.integers(0, len(whole)))]))
        path = root / f"person_{number % 2}" / f"{number}.img"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(contents[-1])
    report = examine(root, crop=20)
    bad = sum(finding.kind in ("empty", "not-image", "unreadable") for finding in report.findings)
    assert (report.files, report.images + bad) == (4, 4)


def test_a_decompression_bomb_is_one_finding(people: Path):
    (people / "person_0" / "bomb.ppm").write_bytes(b"P6 60000 60000 255\n" + bytes(1000))
    report = examine(people, crop=90)
    assert [finding.kind for finding in report.findings] == ["unreadable"]
    assert "pixels" in report.findings[0].reason


def test_a_missing_folder_is_one_line(tmp_path: Path):
    with pytest.raises(DataError, match="no such file or folder; give the folder that holds"):
        examine(tmp_path / "gone")


def test_of_copies_the_one_stays_that_suits_training(people: Path):
    original = people / "person_0" / "0.png"
    with Image.open(original) as image:
        image.resize((320, 320)).save(people / "person_0" / "enlarged.png")
        image.resize((80, 80)).save(people / "person_0" / "small.png")
    report = examine(people, crop=90)
    assert report.suspects() == [people / "person_0" / "enlarged.png", people / "person_0" / "small.png"]


def test_one_name_in_several_spellings_is_told_with_what_to_do(people: Path, save):
    for number, name in enumerate(["Jos\u00e9_Serra", "Jose\u0301_Serra", "PERSON 0"]):
        for seed in (60, 61):
            save(people / name / f"{seed}.png", seed + 2 * number)
    report = examine(people, crop=90)
    todo = "put one person's images into one folder, or rename one of two people"
    assert [(finding.kind, finding.path.name, finding.reason) for finding in report.findings] == [
        ("same-name", "Jos\u00e9_Serra", f"one name with 'Jose\\u0301_Serra'; {todo}"),
        ("same-name", "person_0", f"one name with PERSON 0; {todo}"),
    ]
    assert report.suspects() == []


def test_a_crop_of_the_centre_is_not_taken_for_a_small_face(people: Path, tmp_path: Path):
    boxes = {f"person_{person}/{number}.png": Faces.none() for person in range(3) for number in range(4)}
    align(people, tmp_path / "crops", Alignment(fallback="centre"), boxes)
    assert len(list((tmp_path / "crops").rglob("*.png"))) == 12
    report = examine(tmp_path / "crops", near_copies=False)
    assert [finding for finding in report.findings if finding.kind == "enlarged"] == []


def test_crops_of_small_faces_are_told_where_align_left_its_journal(people: Path, tmp_path: Path):
    boxes = {
        f"person_{person}/{number}.png": Faces(
            np.array([[20.0, 20.0, 29.0 + side, 33.0 + side]]), np.ones(1), np.zeros((1, 10)), 1
        )
        for person in range(3)
        for number, side in enumerate((0, 40, 41, 42))
    }
    align(people, tmp_path / "crops", Alignment(size=160, margin=10), boxes)
    report = examine(tmp_path / "crops", near_copies=False)
    assert [(finding.kind, finding.path.name, finding.reason) for finding in report.findings] == [
        ("enlarged", "0.png", "a face of 9 x 13 pixels, enlarged to 160")
    ] * 3
    (tmp_path / "crops/.align.jsonl").write_text("[]\n")
    assert examine(tmp_path / "crops", near_copies=False).findings == ()
