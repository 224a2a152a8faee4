"""Drawing of the answers on the photos: one box per face, with the name below it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from finetune import files
from finetune.errors import DataError, Problem
from finetune.gallery.identification import Identification
from finetune.images import ImageError, read_image
from finetune.names import UNKNOWN
from finetune.paths import in_one_line
from finetune.progress import track

NAMED, STRANGER, INK = "#1b6ca8", "#8a4b08", "#ffffff"
FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "Arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-zenhei.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
)
"""Fonts to look for on the machine. The first one that has all letters of a name is used. Pillow's own font lacks
most letters beyond English."""
NO_LETTER = "\uffff"
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
LEAST_TEXT, TEXT = 11, 0.16
"""Height of the letters: the least in pixels, and the share of the face's width."""
JPEG = (".jpg", ".jpeg")
ENCODING: dict[str, Any] = {"format": "JPEG", "quality": 92, "subsampling": 0}


def draw(answers: Sequence[Identification], out: Path) -> int:
    """Write each photo with its faces' names into a folder, as a JPEG under its own name.

    Photos that can't be read are left out.

    Returns:
        Number of photos written.

    Raises:
        DataError: two photos would have the same name.
        RunError: a photo can't be written.
    """
    photos: dict[Path, list[Identification]] = {}
    for answer in answers:
        photos.setdefault(answer.face.photo, []).append(answer)
    targets: dict[Path, Path] = {}
    for photo, found in photos.items():
        name = found[0].face.within
        target = out / (name if photo.suffix.lower() in JPEG else f"{name}.jpg")
        if target in targets:
            raise DataError(
                Problem(in_one_line(photo), f"would be drawn over {in_one_line(targets[target])}", "draw one at a time")
            )
        targets[target] = photo
    drawn = 0
    for target, photo in track(targets.items(), len(targets), "drawing photos"):
        try:
            picture = Image.fromarray(read_image(photo))
        except ImageError:
            continue
        for answer in photos[photo]:
            if answer.score is not None:
                _label(picture, answer)
        files.write(target, functools.partial(picture.save, **ENCODING), sync=False)
        drawn += 1
    return drawn


def _label(picture: Image.Image, answer: Identification) -> None:
    pen = ImageDraw.Draw(picture)
    left, top, right, bottom = answer.face.box or (0, 0, picture.width - 1, picture.height - 1)
    colour = STRANGER if answer.name == UNKNOWN else NAMED
    if answer.face.box:
        pen.rectangle((left, top, right, bottom), outline=colour, width=max(2, round((right - left) / 40)))
    number = f"{answer.face.number}: " if answer.face.box else ""
    text = f"{number}{answer.name} {answer.score:.2f}"
    font = _font(text, max(LEAST_TEXT, round(TEXT * (right - left))))
    width, height = pen.textbbox((0, 0), text, font)[2:]
    pad = max(2, round(height / 5))
    x = min(max(0, left), max(0, picture.width - width - 2 * pad))
    below = bottom if answer.face.box else bottom - height - 2 * pad
    y = min(below, picture.height - height - 2 * pad)
    pen.rectangle((x, y, x + width + 2 * pad, y + height + 2 * pad), fill=colour)
    pen.text((x + pad, y + pad), text, INK, font)


def _font(text: str, size: int) -> Font:
    fonts = _fonts(size)
    return next((font for font in fonts if _has_all(font, text)), fonts[0])


@functools.lru_cache
def _fonts(size: int) -> list[Font]:
    found: list[Font] = []
    for name in FONTS:
        with contextlib.suppress(OSError):
            found.append(ImageFont.truetype(name, size))
    return [*found, ImageFont.load_default(size)]


def _has_all(font: Font, text: str) -> bool:
    """Return whether a font has all letters of a text: none is drawn as the box for missing letters."""
    box = bytes(font.getmask(NO_LETTER))
    return all(bytes(font.getmask(letter)) != box for letter in set(text) if not letter.isspace())
