"""The sheet of suspects is bounded and readable, and says what it leaves out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageFont

from finetune.doctor import sheet
from finetune.doctor.finding import Finding
from finetune.doctor.report import Report


def report(folder: Path, findings: list[Finding]) -> Report:
    return Report(folder, 1, len(findings), len(findings), tuple(findings))


def test_it_is_bounded_and_says_how_many_are_left_out(tmp_path: Path, save):
    path = save(tmp_path / "ann" / "1.png", 1)
    findings = [Finding("near-copy-within", path, "the same picture", path, score=i) for i in range(1000)]
    findings += [Finding("few-images", path.parent, "1 usable image"), Finding("empty", path, "an empty file")]
    said = sheet.write_sheet(report(tmp_path, findings), tmp_path / "sheet.png")
    assert said.startswith("60 suspects in ")
    assert "942 findings are not on it" in said
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.size == (3 * sheet.CELL[0], 20 * sheet.CELL[1])


def test_every_kind_has_its_turn(tmp_path: Path, save):
    path = save(tmp_path / "ann" / "1.png", 1)
    findings = [Finding("unaligned", path, "not square")] * 500 + [Finding("lfw-name", path.parent, "stands in it")]
    kinds = {finding.kind for finding in sheet._chosen(report(tmp_path, findings))}
    assert kinds == {"unaligned", "lfw-name"}


def test_both_pictures_are_on_it(tmp_path: Path, save):
    first, second = (save(tmp_path / "ann" / f"{seed}.png", seed, sheet.FACE) for seed in (1, 2))
    sheet.write_sheet(report(tmp_path, [Finding("copy-within", first, "as 2", second)]), tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png"))
    for place, path in enumerate([first, second]):
        left = sheet.GAP + place * (sheet.FACE + sheet.GAP)
        shown = pixels[sheet.GAP : sheet.GAP + sheet.FACE, left : left + sheet.FACE]
        np.testing.assert_array_equal(shown, np.asarray(Image.open(path)))


def test_no_line_is_wider_than_its_room_and_no_letter_is_lost():
    font = ImageFont.load_default(sheet.FONT)
    for text in ("a" * 300, "one two three " * 30, "person/" + "x" * 200 + " and more", "Ünïcödé 名前"):
        lines = list(sheet._wrapped(text, font))
        assert all(font.getlength(line) <= sheet.TEXT for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_what_has_gone_is_shown_as_such(tmp_path: Path, save):
    """Show a grey square with words in it, and nothing of a picture."""
    gone = save(tmp_path / "ann" / "gone.png", 1, sheet.FACE)
    found = report(tmp_path, [Finding("too-small", gone, "40x40 pixels")])

    def shown() -> np.ndarray:
        assert sheet.write_sheet(found, tmp_path / "sheet.png") == f"1 suspects in {tmp_path / 'sheet.png'}"
        pixels = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))
        return pixels[sheet.GAP : sheet.GAP + sheet.FACE, sheet.GAP : sheet.GAP + sheet.FACE]

    np.testing.assert_array_equal(shown(), np.asarray(Image.open(gone)))
    gone.unlink()
    grey = (shown() == ImageColor.getrgb(sheet.LINE)).all(2)
    assert grey.mean() > 0.8
    words = ~grey
    assert words.sum() > 100
    assert words[sheet.FACE // 2 - sheet.FONT : sheet.FACE // 2 + sheet.FONT].sum() == words.sum()
