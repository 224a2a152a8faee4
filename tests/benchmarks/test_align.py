"""The peers in the suite `align` find the same faces, and missing peers are left out and reported."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from benchmarks.data import Data, open_data
from benchmarks.settings import Settings
from benchmarks.suites import align
from finetune.paths import find_images

pytestmark = pytest.mark.tf


@pytest.fixture
def data(faces, tmp_path) -> Data:
    photos = faces / "strangers"
    return Data(tmp_path, photos, photos, tmp_path, photos, tmp_path, False)


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_what_was_dealt_out_comes_back_in_its_order(processes) -> None:
    whole = list(range(7))
    shares = [whole[start::processes] for start in range(processes)]
    assert align._dealt_back(shares) == whole


def test_parity_compares_each_box_with_the_nearest_of_the_other() -> None:
    ours = [[[10.0, 20, 30, 40], [50, 60, 70, 80]], [], [[0, 0, 9, 9]]]
    theirs = [
        [[50.0, 60, 70, 83], [11, 20, 30, 40]],
        [],
        [],
    ]  # in another order, a side 3 and 1 pixels off, one missing
    header, mine, other = align.parity({align.DETECTOR: ours, "other": theirs})
    assert mine == [align.DETECTOR, "3", "3 of 3", "0", "0"]
    assert other == ["other", "2", "2 of 3", "2", "3"]
    assert len(header) == 5


def test_parity_of_photos_without_a_face() -> None:
    assert align.parity({align.DETECTOR: [[], []]})[1] == [align.DETECTOR, "0", "2 of 2", "", ""]


@pytest.mark.slow
@pytest.mark.parametrize("source", [None, "nowhere"])
def test_a_published_detector_that_is_missing_or_does_not_run_is_left_out(data, source, monkeypatch) -> None:
    monkeypatch.setenv("FINETUNE_TF1_PYTHON", sys.executable)
    monkeypatch.delenv("FINETUNE_FACENET", raising=False)
    if source:
        monkeypatch.setenv("FINETUNE_FACENET", str(data.work / source))
    names, notes = align._working(Settings(data, 1, True))
    assert names == [align.ALIGN, align.DETECTOR, align.PACKAGE]
    (note,) = notes
    assert note.startswith("published detector: left out, for ")
    reason = "No module named 'align'" if source else "FINETUNE_FACENET (the folder src of a clone of davidsandberg/"
    assert reason in note


def test_targets_are_not_measured_without_the_published_detector() -> None:
    timings = {align.ALIGN: [40.0, 60], align.DETECTOR: [60.0, 90]}
    assert [target.met for target in align._targets(timings)] == [None, None]
    figures = [target.figure for target in align._targets(timings | {align.PUBLISHED: [20.0, 15]})]
    assert figures == [3.0, 4.5]


@pytest.mark.slow
def test_the_command_is_timed_to_its_last_crop_and_its_memory_seen(data) -> None:
    photos = data.some_photos(12)
    assert len(find_images(photos)) == 12
    _, boxes, _ = align._run(align.DETECTOR, photos)
    seconds, crops, peak = align._run(align.ALIGN, photos)
    assert crops == sum(bool(faces) for faces in boxes) > 0
    assert seconds > 0
    assert 100 < peak < 10_000
    assert [path.name for path in data.work.iterdir()] == ["photos-12"]


@pytest.mark.slow
@pytest.mark.real
def test_the_published_detector_finds_the_same_faces(shared, data) -> None:
    missing = [variable for variable in align.PEER if not os.environ.get(variable)]
    if missing:
        pytest.skip(f"{missing[0]}: not set; it names {align.PEER[missing[0]]}")
    photos = Data(Path(), Path(), Path(), Path(), shared / "lfw/images", data.work, True).some_photos(8)
    _, ours, _ = align._run(align.DETECTOR, photos)
    _, theirs, _ = align._run(align.PUBLISHED, photos)
    assert len(ours) == 8
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


@pytest.mark.slow
def test_a_quick_run_on_drawn_faces(tmp_path, monkeypatch) -> None:
    for variable in align.PEER:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("FINETUNE_SHARED", str(tmp_path / "nowhere"))
    result = align.run(Settings(open_data(tmp_path, quick=True), 1, True))
    assert {name: len(values) for name, values in result.timings.items()} == dict.fromkeys(align.WAYS, 1)
    *speeds, memory = result.targets
    assert [target.met for target in speeds] == [None, None]
    assert memory.figure is not None
    assert 0.5 < memory.figure < 2
    assert any(note.startswith("finetune align wrote ") for note in result.notes)
    assert len(result.lines()) > 20
