"""Contact sheet of the suspects: each beside the image that it is compared with, and the reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from finetune import files
from finetune.doctor.finding import KINDS, Finding
from finetune.doctor.report import Report
from finetune.images import ImageError, read_image
from finetune.paths import entries, in_one_line

MOST = 60
"""Largest number of suspects on a sheet."""
WITHOUT_PICTURE = ("empty", "not-image", "unreadable", "no-images")
COLUMNS = 3
FACE, GAP, TEXT = 128, 8, 300
CELL = (2 * FACE + TEXT + 4 * GAP, FACE + 2 * GAP)
FONT, LINES = 14, 6
PAPER, INK, FAINT, LINE = "#ffffff", "#202124", "#5f6368", "#dadce0"


def write_sheet(report: Report, target: Path) -> str:
    """Write the sheet as a PNG. The kinds take turns, and the worst suspects of each kind come first.

    Returns:
        Line with the numbers of suspects that the sheet shows and leaves out.

    Raises:
        RunError: the file can't be written.
    """
    chosen = _chosen(report)
    sheet = Image.new("RGB", (COLUMNS * CELL[0], max(1, -(-len(chosen) // COLUMNS)) * CELL[1]), PAPER)
    for number, finding in enumerate(chosen):
        cell = _cell(report, finding)
        sheet.paste(cell, (number % COLUMNS * CELL[0], number // COLUMNS * CELL[1]))
    files.write(target, lambda file: sheet.save(file, "PNG"))
    left = len(report.findings) - len(chosen)
    more = f"; {left} findings are not on it: a sheet takes {MOST} that have a picture" if left else ""
    return f"{len(chosen)} suspects in {in_one_line(target)}{more}"


def _chosen(report: Report) -> list[Finding]:
    """Choose up to `MOST` findings that have a picture, with the kinds taking turns; sort them by kind."""
    shown = [kind for kind in KINDS if kind not in WITHOUT_PICTURE]
    kinds = [[finding for finding in report.findings if finding.kind == kind] for kind in shown]
    turns = [finding for turn in zip_longest(*kinds) for finding in turn if finding is not None]
    return sorted(turns[:MOST], key=lambda finding: (list(KINDS).index(finding.kind), -finding.score))


def _cell(report: Report, finding: Finding) -> Image.Image:
    cell = Image.new("RGB", CELL, PAPER)
    draw = ImageDraw.Draw(cell)
    draw.rectangle((0, 0, CELL[0] - 1, CELL[1] - 1), outline=LINE)
    for place, path in enumerate([finding.path, finding.other]):
        if path is not None:
            cell.paste(_picture(path), (GAP + place * (FACE + GAP), GAP))
    left, top = 3 * GAP + 2 * FACE, GAP
    font = ImageFont.load_default(FONT)
    name = report.name(finding.path)
    other = f"beside: {_short(report, finding.other)}" if finding.other else ""
    lines = [(finding.kind, INK)]
    for text, ink in ((name, INK), (finding.reason, FAINT), (other, FAINT)):
        lines += [(line, ink) for line in _wrapped(text, font)]
    for number, (line, ink) in enumerate(lines[: LINES + 1]):
        draw.text((left, top + number * (FONT + 4)), line, ink, font)
    return cell


def _short(report: Report, path: Path) -> str:
    """Return a path relative to the folder, or its last two names if it is outside."""
    within = path.is_relative_to(report.folder)
    return report.name(path) if within else in_one_line(Path(*path.parts[-2:]))


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Iterator[str]:
    """Yield lines that fit beside the pictures, broken at spaces if possible: names may have none."""
    while text:
        fits = next((n for n in range(len(text), 0, -1) if font.getlength(text[:n]) <= TEXT), 1)
        if fits < len(text) and " " in text[:fits]:
            fits = text.rindex(" ", 0, fits) + 1
        yield text[:fits].rstrip()
        text = text[fits:]


def _picture(path: Path) -> Image.Image:
    """Return a file, or a person's first image, as a square; grey if no image can be shown."""
    try:
        candidates = [path] if not path.is_dir() else [entry for entry in entries(path) if entry.is_file()]
    except OSError:
        candidates = []
    for candidate in candidates:
        try:
            if os.path.isfile(candidate):
                image = Image.fromarray(read_image(candidate))
                image.thumbnail((FACE, FACE))
                square = Image.new("RGB", (FACE, FACE), LINE)
                square.paste(image, ((FACE - image.width) // 2, (FACE - image.height) // 2))
                return square
        except ImageError:
            continue
    square = Image.new("RGB", (FACE, FACE), LINE)
    ImageDraw.Draw(square).text((GAP, FACE // 2 - FONT), "can't be shown", FAINT, ImageFont.load_default(FONT))
    return square
