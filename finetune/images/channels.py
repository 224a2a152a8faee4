"""The channels that a network takes: three, or one for grey."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from finetune.errors import DataError, Problem
from finetune.images.preprocessing import Preprocessing
from finetune.images.reading import ImageError, Pixels, read_image
from finetune.words import counted

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
        DataError: some images have colors; the first one is named.
    """
    if preprocessing.channels == "rgb" or preprocessing.convert:
        return

    def has_colors(path: Path) -> bool:
        try:
            pixels = read_image(path)
        except ImageError:
            return False
        return not (pixels == pixels[..., :1]).all()

    with ThreadPoolExecutor() as pool:
        colored = [path for path, found in zip(paths, pool.map(has_colors, paths), strict=True) if found]
    if colored:
        found = f"{counted(len(colored), 'image')} with colors, where the network takes grey, {colored[0]} the first"
        raise DataError(Problem(where, found, ADVICE))
