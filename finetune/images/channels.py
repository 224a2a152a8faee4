"""The channels that a network takes: three, or one for grey."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from finetune.errors import DataError, bounded
from finetune.images.preprocessing import Preprocessing
from finetune.images.reading import ImageError, Pixels, read_image

ADVICE = "convert the images, or ask for it: preprocessing.convert=true in a recipe, --convert for a command"


def in_channels(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """Return pixels with the channels that the network takes.

    An image whose three channels are equal is grey. Another one becomes grey (ITU-R 601-2) only if the preprocessing
    says so.

    Args:
        pixels: RGB, uint8 [height, width, 3].
        preprocessing: preprocessing that the network expects.

    Returns:
        Pixels, uint8 [height, width, c].

    Raises:
        ImageError: the image has colors, the network takes grey, and nobody asked to convert it.
    """
    if preprocessing.channels == "rgb":
        return pixels
    if (pixels == pixels[..., :1]).all():
        return pixels[..., :1]
    if not preprocessing.convert:
        raise ImageError("an image with colors, where the network takes grey", ADVICE)
    return np.asarray(Image.fromarray(pixels).convert("L"))[..., np.newaxis]


def refuse_colors(paths: Sequence[Path], preprocessing: Preprocessing, where: str | Path) -> None:
    """Refuse images with colors for a network that takes grey, unless they are to be converted.

    Args:
        paths: image files; those that can't be read are passed over.
        preprocessing: preprocessing that the network expects.
        where: the images, as messages name them.

    Raises:
        DataError: some images have colors; the first ones are named.
    """
    if preprocessing.channels == "rgb" or preprocessing.convert:
        return
    problems = []
    for path in paths:
        try:
            pixels = read_image(path)
        except ImageError:
            continue
        try:
            in_channels(pixels, preprocessing)
        except ImageError as error:
            problems += error.within(path)
    if problems:
        raise DataError(*bounded(problems, where, ADVICE))
