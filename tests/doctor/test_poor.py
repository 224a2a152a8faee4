"""Poor faces among drawn ones: every planted defect is found under its name, and nothing else."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from finetune.align import Alignment, Faces, align
from finetune.doctor import Thumbnails, examine, judge_quality
from finetune.images import read_image, write_faces
from finetune.quality import measure_appearance
from tests.verify.planted import WORSE, plant, turn_away


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw faces in ordinary light: of 60 drawn ones, those that are neither dark nor bright."""
    root = tmp_path_factory.mktemp("drawn") / "faces"
    write_faces(root, people=10, images_per_person=6, size=200, seed=3)
    for path in root.rglob("*.png"):
        light = measure_appearance(read_image(path))
        if light.blown > 0.2 or not 150 < light.highlights < 240:
            path.unlink()
    return root


@pytest.fixture
def crops(drawn: Path, tmp_path: Path) -> Path:
    """Cut the drawn faces with the landmarks of frontal ones, but for the last two, which are turned away."""
    frontal = np.array([[70, 130, 100, 75, 125, 80, 80, 115, 145, 145]], float)
    face = Faces(np.array([[20.0, 20, 180, 180]]), np.ones(1), frontal, 1)
    names = sorted(path.relative_to(drawn).as_posix() for path in drawn.rglob("*.png"))
    align(drawn, tmp_path / "crops", Alignment(size=160), turn_away(dict.fromkeys(names, face), names[-2:]))
    return tmp_path / "crops"


def plant_in(crops: Path) -> dict[str, set[Path]]:
    """Make four crops worse in each way; the last two are the profiles."""
    paths = sorted(crops.rglob("*.png"))
    return plant(paths[:-2], 4) | {"profile": set(paths[-2:])}


def test_planted_defects_are_found_and_nothing_else(crops: Path):
    clean = judge_quality(examine(crops, min_images=1, near_copies=False))
    assert set(clean.counts()) == {"profile"}
    planted = plant_in(crops)
    before = {path: path.read_bytes() for path in crops.rglob("*.png")}
    report = judge_quality(examine(crops, min_images=1, near_copies=False))
    found = {kind: {f.path for f in report.findings if f.kind == kind} for kind in (*WORSE, "profile")}
    assert found["dark"] == planted["dark"]
    assert found["overexposed"] == planted["overexposed"]
    assert found["profile"] == planted["profile"]
    lost = planted["blurred"] | planted["tiny"]  # pixels don't tell a blurred face from a small one
    assert planted["blurred"] <= found["blurred"] <= lost
    assert planted["tiny"] <= found["tiny"] <= lost
    assert set(report.counts()) == set(found)
    assert report.suspects() == []
    assert {path: path.read_bytes() for path in crops.rglob("*.png")} == before


def test_the_table_has_each_face_with_its_measures_the_worst_first(crops: Path):
    planted = plant_in(crops)
    report = judge_quality(examine(crops, min_images=1, near_copies=False))
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    assert {row["file"] for row in rows} == {path.relative_to(crops).as_posix() for path in crops.rglob("*.png")}
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores)
    by_file = {row["file"]: row for row in rows}
    dark = by_file[next(iter(planted["dark"])).relative_to(crops).as_posix()]
    assert "dark" in dark["defects"].split()
    assert float(dark["highlights"]) < 64
    assert {float(row["face_side"]) for row in rows} == {160}
    turned = by_file[next(iter(planted["profile"])).relative_to(crops).as_posix()]
    assert abs(float(turned["yaw"])) > 45


def test_without_a_journal_pose_size_and_detection_are_unknown(crops: Path):
    (crops / ".align.jsonl").unlink()
    report = judge_quality(examine(crops, min_images=1, near_copies=False))
    assert report.findings == ()
    row = next(csv.DictReader(io.StringIO(report.to_csv())))
    assert [row[name] for name in ("face_side", "detection", "yaw", "pitch", "roll")] == [""] * 5


def test_poor_faces_are_looked_for_only_if_asked(crops: Path):
    plant_in(crops)
    report = examine(crops, min_images=1, near_copies=False)
    assert (report.findings, report.qualities) == ((), {})
    assert "poor" not in report.settings


def test_photos_that_are_no_crops_are_not_judged(people: Path, save):
    save(people / "person_0" / "photo.png", 60, 250)
    save(people / "person_0" / "small.png", 61, 40)
    report = judge_quality(examine(people, crop=90))
    assert len(report.qualities) == 12
    assert {finding.kind for finding in report.findings if finding.path.name in ("photo.png", "small.png")} == {
        "unaligned",
        "too-small",
    }


def test_a_second_run_measures_nothing(crops: Path, monkeypatch):
    from finetune.doctor import thumbnails

    first = judge_quality(examine(crops, min_images=1, near_copies=False))
    monkeypatch.setattr(thumbnails, "measure_appearance", None)  # to call it would raise
    report = examine(crops, min_images=1, near_copies=False)
    assert judge_quality(report).qualities == first.qualities
    images = Thumbnails(sorted(crops.rglob("*.png")))
    assert judge_quality(report, images) == first
