"""Views: images as an epoch sees them, read, rotated, cropped, flipped and changed. No TensorFlow is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.dataset.draws import draw
from finetune.errors import Problem
from finetune.images import (
    ChangedImage,
    ImageError,
    Pixels,
    Preprocessing,
    central_crop,
    in_channels,
    read_image,
    too_small,
)

if TYPE_CHECKING:
    from finetune.recipe import Augment

AT_ONCE = 4096
"""Images whose draws are computed together."""


class View(NamedTuple):
    """One image to read, with the draws of its rotation, crop and flip.

    Attributes:
        path: path of the file.
        checksum: expected checksum of the file, or None to accept a changed file.
        image: index of the image in its dataset, by which the other changes are drawn.
        degrees: angle of the rotation.
        row, column: draws of the crop's place.
        mirrored: whether to mirror the image.
    """

    path: str
    checksum: int | None
    image: int
    degrees: float
    row: int
    column: int
    mirrored: bool


class Unreadable(NamedTuple):
    """The reason why a view can't be made: problems that name the image and say what to do."""

    problems: tuple[Problem, ...]


def draw_views(
    paths: Sequence[Path],
    indices: npt.NDArray[np.int64],
    key: int,
    augment: Augment | None,
    checksums: Sequence[int] | None = None,
) -> Iterator[View]:
    """Yield the views of images in the order of their indices.

    Args:
        paths: image files of the dataset.
        indices: indices of the images to view, int64 [n].
        key: key of the epoch's augmentation.
        augment: changes that a recipe asks for; None for images as they are.
        checksums: expected checksum of each file of the dataset, or None to accept changed files.
    """
    for start in range(0, len(indices), AT_ONCE):
        part = np.asarray(indices[start : start + AT_ONCE], np.int64)
        drawn = draw(key, part, augment.random_rotate if augment else 0.0)
        mirrored = drawn.mirrored.tolist() if augment and augment.random_flip else [False] * len(part)
        of_each = zip(part.tolist(), drawn.degrees.tolist(), drawn.offsets.tolist(), mirrored, strict=True)
        for index, degrees, (row, column), flip in of_each:
            checksum = None if checksums is None else int(checksums[index])
            yield View(str(paths[index]), checksum, index, degrees, row, column, flip)


class Viewer:
    """The reader of views. It can be sent to another process.

    The published order is rotation (bicubic), crop, flip. Shear and zoom join the rotation. Brightness, contrast and
    the erased square follow, on what the network sees. The degradations of the camera come last.

    Args:
        augment: changes that a recipe asks for; None for the central crops of the images as they are.
        key: key of the epoch's augmentation.
        preprocessing: preprocessing, for the image size and the channels.
    """

    def __init__(self, augment: Augment | None, key: int, preprocessing: Preprocessing) -> None:
        self._augmentation = None
        if augment is not None:
            from finetune.dataset.augmentation import Augmentation  # imports OpenCV and the recipe's sections

            self._augmentation = Augmentation(augment, key)
        self._random_crop, self._preprocessing = augment is not None and augment.random_crop, preprocessing

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and number of channels of a view."""
        return self._preprocessing.shape

    def __call__(self, view: View) -> Pixels:
        """Return the pixels of a view, uint8 [size, size, channels].

        Raises:
            ImageError: the file has changed or can't be read, or the image is smaller than the crop.
        """
        size = self._preprocessing.image_size
        pixels = read_image(view.path, checksum=view.checksum)
        if self._augmentation:
            pixels = self._augmentation.place(pixels, view.image, view.degrees)
        if not self._random_crop:
            pixels = central_crop(pixels, size)
        pixels = in_channels(pixels, self._preprocessing)
        if self._random_crop:
            pixels = _crop_at(pixels, size, view.row, view.column)
        if view.mirrored:
            pixels = pixels[:, ::-1]
        if not (self._augmentation and self._augmentation.finishes):
            return pixels
        return self._augmentation.finish(np.ascontiguousarray(pixels), view.image)

    def fill(self, out: Pixels, wanted: Iterable[View]) -> Unreadable | None:
        """Write the pixels of views into `out`, uint8 [n, size, size, channels].

        Returns:
            Why the first unreadable view can't be read; None if all could.
        """
        for place, view in zip(out, wanted, strict=True):
            try:
                place[...] = self(view)
            except ImageError as error:
                advice = "it could be read when the run began: put it back and resume"
                if isinstance(error, ChangedImage):
                    advice = "leave the images as they are, and start again"
                return Unreadable(tuple(error.within(Path(view.path), advice)))
        return None


def _crop_at(pixels: Pixels, size: int, row: int, column: int) -> Pixels:
    """Return the square at a random place, by the draws of its row and column."""
    height, width = pixels.shape[:2]
    if min(height, width) < size:
        raise ImageError(too_small(width, height, size))
    top, left = row % (height - size + 1), column % (width - size + 1)
    return pixels[top : top + size, left : left + size]
