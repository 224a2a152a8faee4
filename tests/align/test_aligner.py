"""The aligner turns a folder of photos into crops, for every kind of file, also after a stop and a second run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.align import aligner
from finetune.align.aligner import Alignment, align, leftovers
from finetune.align.faces import Faces, read_boxes, write_boxes
from finetune.errors import DataError
from finetune.images.reading import ImageError, read_image
from tests.align.conftest import drawn, scene

ROOT = Path(__file__).resolve().parents[2]
BOX = (30.5, 20.25, 90.0, 100.75)


def one_face(*boxes, count=None) -> Faces:
    rows = np.array(boxes or [BOX], float)
    return Faces(rows, np.ones(len(rows)), np.zeros((len(rows), 10)), len(rows) if count is None else count)


def save(path: Path, image: Image.Image | np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(path, **options)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Write six photos of three people with drawn faces."""
    root = tmp_path / "photos"
    for number, name in enumerate(
        ("ann/ann_0001", "ann/ann_0002", "bob o/bob o_0001", "cy/cy_0001", "cy/cy_0002", "x")
    ):
        save(root / f"{name}.jpg", drawn(number, 120), quality=95)
    return root


def test_crops_are_named_as_the_photos_and_cut_by_the_boxes(photos, tmp_path):
    boxes = {path.relative_to(photos).as_posix(): one_face() for path in photos.rglob("*.jpg")}
    coverage = align(photos, tmp_path / "out", Alignment(size=80, margin=20), boxes)
    assert (coverage.found, coverage.several, coverage.none, coverage.unusable) == (6, 0, 0, 0)
    crops = {name for name in tree(tmp_path / "out") if not name.startswith(".")}
    assert crops == {path.relative_to(photos).with_suffix(".png").as_posix() for path in photos.rglob("*.jpg")}
    photo = np.array(Image.open(photos / "ann/ann_0002.jpg"))
    expected = Image.fromarray(photo[10:110, 20:100]).resize((80, 80), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "out/ann/ann_0002.png")), np.array(expected))


def test_photos_without_a_crop_are_told_apart(photos, tmp_path):
    (photos / "ann/notes.txt").write_text("not a photo")
    (photos / "ann/empty.jpg").touch()
    save(photos / "cy/cy_0001.png", drawn(1))
    os.mkfifo(photos / "pipe.jpg")
    boxes = {path.relative_to(photos).as_posix(): one_face() for path in photos.rglob("*.*")}
    boxes["cy/cy_0002.jpg"] = one_face((500, 500, 600, 600))
    boxes["ann/ann_0002.jpg"] = Faces(np.empty((0, 4)), np.empty(0), np.empty((0, 10)), 0)
    del boxes["x.jpg"]
    coverage = align(photos, tmp_path / "out", boxes=boxes)
    assert {outcome.photo: outcome.failure for outcome in coverage.failures} == {
        "ann/ann_0002.jpg": "no face found",
        "ann/empty.jpg": "an empty file",
        "ann/notes.txt": "not an image (BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP)",
        "cy/cy_0001.png": "its crop would be named as that of cy/cy_0001.jpg; rename one",
        "cy/cy_0002.jpg": "a face outside the photo of 120x120 pixels",
        "pipe.jpg": "not a file",
        "x.jpg": "not in the file of boxes",
    }
    assert (coverage.found, coverage.none, coverage.unusable) == (3, 2, 5)


def test_all_faces_are_cut_or_the_one_that_the_photo_is_of(photos, tmp_path):
    several = {"x.jpg": one_face((0, 0, 30, 30), (40, 40, 80, 80), (90, 90, 118, 118))}
    align(photos, tmp_path / "one", Alignment(size=40, margin=0), several)
    align(photos, tmp_path / "all", Alignment(size=40, margin=0, all_faces=True), several)
    assert {name for name in tree(tmp_path / "all") if name[0] == "x"} == {"x_0.png", "x_1.png", "x_2.png"}
    assert tree(tmp_path / "one")["x.png"] == tree(tmp_path / "all")["x_1.png"]


def test_what_to_look_at_is_said_photo_by_photo(photos, tmp_path):
    several = one_face((0, 0, 30, 30), (40, 40, 80, 80), (90, 90, 118, 118))
    boxes = {
        "x.jpg": several,
        "ann/ann_0001.jpg": one_face((5, 5, 14, 18)),
        "ann/ann_0002.jpg": one_face((5, 5, 45, 45)),
    }
    one, every = (
        align(photos, tmp_path / str(all_faces), alignment, boxes).remarks(alignment)
        for all_faces in (False, True)
        for alignment in [Alignment(all_faces=all_faces)]
    )
    small = "enlarged to 160; look at it, or raise --min-face-size"
    assert one == [
        "x.jpg: 3 faces; the largest and most central one was cut",
        f"ann/ann_0001.jpg: a face of 9 x 13 pixels, {small}",
    ]
    assert every == [one[1], f"x.jpg: a face of 28 x 28 pixels, {small}"]
    many = {f"{number}.jpg": several for number in range(50)}
    for name in many:
        save(tmp_path / "many" / name, drawn(1))
    remarks = align(tmp_path / "many", tmp_path / "crops", boxes=many).remarks(Alignment())
    assert len(remarks) == 21
    assert remarks[-1] == "several faces: 30 more lines like these; align --boxes FILE counts each photo's"


def test_where_no_face_is_found_the_turn_is_spoken_of_unless_it_was_tried(photos, tmp_path):
    for turn, said in ((False, 1), (True, 0)):
        alignment = Alignment(turn=turn)
        remarks = align(photos, tmp_path / str(turn), alignment, {"x.jpg": Faces.none()}).remarks(alignment)
        assert [remark.endswith("finetune align --turn tries all four turns") for remark in remarks] == [True] * said


def test_where_no_face_is_found_the_central_square_is_cut_if_asked_for(tmp_path):
    photos = tmp_path / "photos"
    for name, face in (("ann/tall", 1), ("ann/found", 2), ("bob/outside", 3)):
        save(photos / f"{name}.png", drawn(face, 120)[:, 10:100])
    (photos / "notes.txt").write_text("not a photo")
    boxes = {
        "ann/tall.png": Faces.none(),
        "ann/found.png": one_face(),
        "bob/outside.png": one_face((500, 500, 600, 600)),
    }
    without = align(photos, tmp_path / "without", Alignment(size=60), boxes)
    coverage = align(photos, tmp_path / "with", Alignment(size=60, fallback="centre"), boxes)
    assert [outcome.photo for outcome in coverage.fallbacks] == ["ann/tall.png"]
    assert (coverage.found, coverage.none, coverage.unusable) == (without.found, without.none, without.unusable)
    assert {outcome.photo for outcome in without.failures} - {o.photo for o in coverage.failures} == {"ann/tall.png"}
    crops = {name: content for name, content in tree(tmp_path / "with").items() if name.endswith("png")}
    assert set(crops) == {"ann/tall.png", "ann/found.png"}
    assert crops["ann/found.png"] == (tmp_path / "without/ann/found.png").read_bytes()
    photo = np.array(Image.open(photos / "ann/tall.png"))[15:105]
    expected = Image.fromarray(photo).resize((60, 60), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "with/ann/tall.png")), np.array(expected))
    assert "1 with a face, 0 of them with several; 2 without, 1 of them cut by the fallback" in coverage.summary
    assert "fallback" not in without.summary
    align(photos, tmp_path / "whole", Alignment(size=60, fallback="whole"), boxes)
    photo = np.array(Image.open(photos / "ann/tall.png"))
    expected = Image.fromarray(photo).resize((60, 60), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "whole/ann/tall.png")), np.array(expected))


@pytest.mark.parametrize(("all_faces", "name"), [(False, "x.png"), (True, "x_0.png")])
def test_a_fallback_is_remembered_and_cut_again_if_it_is_gone(photos, tmp_path, all_faces, name, monkeypatch):
    boxes, out = {"x.jpg": Faces.none()}, tmp_path / "out"
    alignment = Alignment(all_faces=all_faces, fallback="centre")
    first = align(photos, out, alignment, boxes)
    before = tree(out)
    assert name in before
    (out / name).unlink()
    again = align(photos, out, alignment, boxes)
    assert tree(out) == before
    assert leftovers(out, again, alignment) == []
    monkeypatch.setattr(aligner, "resize_without_face", lambda *_: pytest.fail("cut again"))
    third = align(photos, out, alignment, boxes)
    assert [o.photo for coverage in (first, again, third) for o in coverage.fallbacks] == ["x.jpg"] * 3
    with pytest.raises(DataError, match="was aligned with fallback centre, not None; use the same settings"):
        align(photos, out, Alignment(all_faces=all_faces), boxes)
    with pytest.raises(DataError, match="was aligned with fallback centre, not whole; use the same settings"):
        align(photos, out, Alignment(all_faces=all_faces, fallback="whole"), boxes)
    align(photos, tmp_path / "plain", Alignment(), boxes)
    with pytest.raises(DataError, match="was aligned with fallback None, not centre"):
        align(photos, tmp_path / "plain", Alignment(fallback="centre"), boxes)


def test_folders_aligned_without_a_fallback_have_the_journal_that_they_had(photos, tmp_path):
    align(photos, tmp_path / "out", boxes={"x.jpg": Faces.none()})
    assert b"fallback" not in tree(tmp_path / "out")[".align.jsonl"]


def test_a_fallback_is_written_to_no_file_of_boxes_as_a_face(photos, tmp_path):
    alignment = Alignment(fallback="centre")
    coverage = align(photos, tmp_path / "out", alignment, {"x.jpg": Faces.none(), "ann/ann_0001.jpg": one_face()})
    write_boxes(tmp_path / "boxes.txt", coverage.faces())
    boxes = read_boxes(tmp_path / "boxes.txt")
    assert {name: len(faces) for name, faces in boxes.items()} == {"ann/ann_0001.jpg": 1, "x.jpg": 0}
    align(photos, tmp_path / "again", alignment, boxes)
    assert (tmp_path / "again/x.png").read_bytes() == (tmp_path / "out/x.png").read_bytes()


def test_jpeg_crops_are_near_the_png_ones(photos, tmp_path):
    boxes = {"x.jpg": one_face()}
    for form in ("png", "jpg"):
        align(photos, tmp_path / form, Alignment(format=form), boxes)
    crops = [np.array(Image.open(tmp_path / f"{form}/x.{form}"), float) for form in ("png", "jpg")]
    assert 0 < np.abs(crops[0] - crops[1]).mean() < 3


def test_settings_and_folders_that_do_not_fit_are_refused(photos, tmp_path):
    boxes = {"x.jpg": one_face(), "ann_0001.jpg": one_face()}
    out = tmp_path / "out"
    align(photos, out, boxes=boxes)
    with pytest.raises(DataError, match="was aligned with size 160, not 182; margin 32, not 44; use the same settings"):
        align(photos, out, Alignment(182, 44), boxes)
    with pytest.raises(DataError, match=r"was aligned with boxes \w+, not"):
        align(photos, out, boxes={"x.jpg": one_face((1, 1, 50, 50))})
    with pytest.raises(DataError, match=r"lies in .*, which stays as it is"):
        align(photos, photos / "crops", boxes=boxes)
    with pytest.raises(DataError, match="already there and not made by align"):
        align(photos / "ann", photos / "cy", boxes=boxes)
    with pytest.raises(DataError, match=r"was aligned with photos .*photos, not .*ann; use the same settings"):
        align(photos / "ann", out, boxes=boxes)
    with pytest.raises(DataError, match=r"x.jpg: 3 faces, of which the file of boxes holds 1, as of 0 photos more"):
        align(photos, tmp_path / "all", Alignment(all_faces=True), {"x.jpg": one_face(count=3)})
    with pytest.raises(DataError, match=r"none of its 6 photos, such as ann/ann_0001.jpg, is in the file of boxes"):
        align(photos, tmp_path / "none", boxes={"eve/eve_0001.jpg": one_face()})
    (out / ".align.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"not a text file; give another folder"):
        align(photos, out, boxes=boxes)
    with pytest.raises(DataError, match="gone: no such file or folder"):
        align(tmp_path / "gone", tmp_path / "other", boxes=boxes)
    assert not (tmp_path / "other").exists()


def test_only_what_is_missing_or_has_changed_is_cut_again(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(aligner, "CHUNK", 1)
    boxes = {path.relative_to(photos).as_posix(): one_face() for path in photos.rglob("*.jpg")}
    out = tmp_path / "out"
    align(photos, out, boxes=boxes)
    first = tree(out)
    before = {path: path.stat().st_ino for path in out.rglob("*.png")}
    (out / "ann/ann_0001.png").unlink()
    save(photos / "cy/cy_0001.jpg", drawn(9, 120))
    save(photos / "dan/dan_0001.jpg", drawn(10, 120))
    boxes["dan/dan_0001.jpg"] = one_face()
    with pytest.raises(DataError, match="was aligned with boxes"):  # another file of boxes
        align(photos, out, boxes=boxes)
    del boxes["dan/dan_0001.jpg"]
    coverage = align(photos, out, boxes=boxes)
    assert [outcome.photo for outcome in coverage.failures] == ["dan/dan_0001.jpg"]
    written = {
        path.relative_to(out).as_posix() for path in before if path.exists() and path.stat().st_ino != before[path]
    }
    assert written | {"ann/ann_0001.png"} == {"ann/ann_0001.png", "cy/cy_0001.png"}
    second = tree(out)
    assert second["ann/ann_0001.png"] == first["ann/ann_0001.png"]
    assert second["cy/cy_0001.png"] != first["cy/cy_0001.png"]


def test_a_crop_whose_photo_has_gone_is_told_and_a_namesake_takes_its_place(photos, tmp_path):
    save(photos / "cy/cy_0001.png", drawn(1))
    boxes = {path.relative_to(photos).as_posix(): one_face() for path in photos.rglob("*.*")}
    out = tmp_path / "out"
    first = align(photos, out, boxes=boxes)
    assert [outcome.photo for outcome in first.failures] == ["cy/cy_0001.png"]
    assert leftovers(out, first, Alignment()) == []
    before = tree(out)
    (photos / "cy/cy_0001.jpg").unlink()
    (photos / "x.jpg").unlink()
    second = align(photos, out, boxes=boxes)
    assert second.failures == []
    assert leftovers(out, second, Alignment()) == [out / "x.png"]
    assert tree(out)["cy/cy_0001.png"] != before["cy/cy_0001.png"]
    assert tree(out)["x.png"] == before["x.png"]


def test_a_file_beside_a_photo_does_not_take_its_place(photos, tmp_path):
    (photos / "ann/ann_0001.csv").write_text("1,2")
    coverage = align(photos, tmp_path / "out", boxes={"ann/ann_0001.jpg": one_face()})
    failures = {outcome.photo: outcome.failure for outcome in coverage.failures}
    assert failures["ann/ann_0001.csv"] == "its crop would be named as that of ann/ann_0001.jpg; rename one"
    assert (tmp_path / "out/ann/ann_0001.png").exists()


def test_what_hindered_a_photo_once_is_tried_again(photos, tmp_path, monkeypatch):
    boxes = {path.relative_to(photos).as_posix(): one_face() for path in photos.rglob("*.jpg")}

    def fail_on_x(path, max_pixels):
        if path.name == "x.jpg":
            raise ImageError("can't be read (Input/output error)")
        return read_image(path, max_pixels)

    monkeypatch.setattr(aligner, "read_image", fail_on_x)
    assert [o.failure for o in align(photos, tmp_path / "out", boxes=boxes).failures] == [
        "can't be read (Input/output error)"
    ]
    monkeypatch.undo()
    assert align(photos, tmp_path / "out", boxes=boxes).failures == []
    assert (tmp_path / "out/x.png").exists()


def test_a_photo_that_is_replaced_while_it_is_cut_is_cut_again(photos, tmp_path, monkeypatch):
    new = save(tmp_path / "new.jpg", drawn(11, 140))

    def read_and_replace(path, max_pixels):
        pixels = read_image(path, max_pixels)
        if path.name == "x.jpg" and new.exists():
            new.rename(path)
        return pixels

    boxes = {"x.jpg": one_face()}
    monkeypatch.setattr(aligner, "read_image", read_and_replace)
    align(photos, tmp_path / "out", boxes=boxes)
    old = (tmp_path / "out/x.png").read_bytes()
    monkeypatch.undo()
    align(photos, tmp_path / "out", boxes=boxes)
    assert (tmp_path / "out/x.png").read_bytes() != old


def test_long_names_are_cut_or_told(tmp_path):
    for name in ("n" * 251, "é" * 125):  # 255 and 254 bytes with .jpg
        save(tmp_path / "photos/person" / f"{name}.jpg", drawn(1))
    boxes = {
        f"person/{path.name}": one_face((20, 20, 60, 60), (30, 30, 90, 90))
        for path in (tmp_path / "photos/person").iterdir()
    }
    assert align(tmp_path / "photos", tmp_path / "one", boxes=boxes).failures == []
    told = align(tmp_path / "photos", tmp_path / "all", Alignment(all_faces=True), boxes).failures
    assert {outcome.failure for outcome in told} == {"a name too long for its crop's; rename it"}


MODES = {
    "grey": lambda face: face.convert("L"),
    "alpha": lambda face: Image.merge("RGBA", [*face.split(), Image.linear_gradient("L").resize(face.size)]),
    "grey with alpha": lambda face: face.convert("LA"),
    "palette": lambda face: face.quantize(250),
    "16 bits": lambda face: Image.fromarray(np.asarray(face.convert("L"), np.uint16) * 257),
    "black and white": lambda face: face.convert("1"),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_kind_of_png_is_cut(tmp_path, mode):
    face = Image.fromarray(drawn(2, 120))
    save(tmp_path / "photos/x.png", MODES[mode](face))
    coverage = align(tmp_path / "photos", tmp_path / "out", boxes={"x.png": one_face()})
    assert coverage.found == 1
    crop = np.array(Image.open(tmp_path / "out/x.png"), float)
    assert crop.shape == (160, 160, 3)
    grey = np.array(face.crop((14, 4, 106, 116)).resize((160, 160)).convert("L"), float)
    assert np.corrcoef(crop.mean(axis=-1).ravel(), grey.ravel())[0, 1] > (0.5 if mode == "black and white" else 0.97)


def test_cmyk_orientation_and_the_first_frame(tmp_path):
    face = Image.fromarray(drawn(2, 120))
    upright = tmp_path / "photos/upright.png"
    save(upright, face)
    save(tmp_path / "photos/cmyk.jpg", face.convert("CMYK"), quality=100)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees clockwise
    save(tmp_path / "photos/turned.png", face.transpose(Image.Transpose.ROTATE_90), exif=turned)
    frames = [face, Image.new("RGB", face.size, "red")]
    save(tmp_path / "photos/moving.webp", frames[0], save_all=True, append_images=frames[1:], lossless=True)
    names = ("upright.png", "cmyk.jpg", "turned.png", "moving.webp")
    align(tmp_path / "photos", tmp_path / "out", boxes={name: one_face() for name in names})
    crops = [np.array(Image.open(tmp_path / f"out/{Path(name).stem}.png"), float) for name in names]
    for crop in crops[1:]:
        assert np.abs(crop - crops[0]).mean() < 3


@pytest.mark.slow
def test_a_photo_of_a_hundred_million_pixels_is_cut_in_bounded_memory(tmp_path):
    """Run in a separate process, which reports its peak memory."""
    photos = tmp_path / "photos"
    wide = Image.new("L", (12_500, 8_000), 90)
    wide.paste(Image.fromarray(drawn(2, 1200)).convert("L"), (6000, 3000))
    save(photos / "large.png", wide, compress_level=1)
    save(photos / "bomb.png", Image.new("1", (20_000, 20_000)), compress_level=1)
    write_boxes(
        tmp_path / "boxes.txt", {name: one_face((6200, 3200, 7000, 4000)) for name in ("large.png", "bomb.png")}
    )
    code = (
        "import sys; from finetune.cli import main; main(sys.argv[1:]); "
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM')); "
        "print(int(peak.split()[1]) // 1024)"
    )
    arguments = ["align", str(photos), str(tmp_path / "out"), "--from-boxes", str(tmp_path / "boxes.txt")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    *lines, peak = done.stdout.splitlines()
    assert lines[0] == "bomb.png: more than 160000000 pixels"
    assert lines[1].startswith("2 photos: 1 with a face")
    assert int(peak) < 2500


def test_detection_and_its_file_of_boxes_give_the_same_crops(photos, tmp_path):
    save(photos / "group.png", scene([(10, 20, 90), (120, 5, 70), (180, 60, 110)], 190, 300))
    coverage = align(photos, tmp_path / "found")
    assert coverage.found >= 5
    assert coverage.several == 1
    write_boxes(tmp_path / "boxes.txt", coverage.faces())
    boxes = read_boxes(tmp_path / "boxes.txt")
    assert set(boxes) == {path.relative_to(photos).as_posix() for path in photos.rglob("*.*")}
    again = align(photos, tmp_path / "again", boxes=boxes)
    assert again.several == 1
    crops = [
        {name: content for name, content in tree(tmp_path / folder).items() if name[0] != "."}
        for folder in ("found", "again")
    ]
    assert crops[0] == crops[1]
    assert len(crops[0]) == coverage.found


def test_faces_of_turned_photos_are_cut_upright_where_it_is_asked_for(tmp_path):
    face = scene([(30, 40, 110)], 190, 180)
    for turns in range(4):
        save(tmp_path / f"photos/{turns}.png", np.rot90(face, -turns))
    coverage = align(tmp_path / "photos", tmp_path / "out", Alignment(turn=True))
    assert coverage.found == 4
    crops = [np.array(Image.open(tmp_path / f"out/{turns}.png"), float) for turns in range(4)]
    for crop in crops[1:]:
        assert np.abs(crop - crops[0]).mean() < 12
    write_boxes(tmp_path / "boxes.txt", coverage.faces())
    align(tmp_path / "photos", tmp_path / "again", Alignment(turn=True), read_boxes(tmp_path / "boxes.txt"))
    for turns in range(4):
        assert (tmp_path / f"again/{turns}.png").read_bytes() == (tmp_path / f"out/{turns}.png").read_bytes()
    with pytest.raises(DataError, match="was aligned with turn True, not None"):
        align(tmp_path / "photos", tmp_path / "out")


@pytest.mark.slow
def test_killed_and_run_again_it_gives_the_bytes_of_one_run(tmp_path):
    photos = tmp_path / "photos"
    for number in range(150):
        save(photos / f"p{number % 7}/{number}.jpg", drawn(number % 20, 100 + number % 3 * 20), quality=90)
    align(photos, tmp_path / "whole")
    command = [sys.executable, "-m", "finetune", "align", str(photos), str(tmp_path / "out")]
    generator = np.random.default_rng(0)
    crops = 0
    for _ in range(3):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 60
            while len(list(tmp_path.glob("out/*/*.png"))) <= crops and time.monotonic() < deadline:
                assert process.poll() is None
                time.sleep(0.01)
            time.sleep(generator.uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
        crops = len(list(tmp_path.glob("out/*/*.png")))
    assert tree(tmp_path / "out") != tree(tmp_path / "whole")
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
