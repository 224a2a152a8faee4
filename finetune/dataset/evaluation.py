"""Batches of images in order, cropped centrally, for embedding and evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from finetune.errors import RunError
from finetune.images import ChangedImage, ImageError, Pixels, Preprocessing, central_crop, in_channels, read_image

VANISHED = "it could be read when the run began: put it back and resume"
CHANGED = "leave the images as they are, and start again"
"""Advice for images that can no longer be read, and for those that have changed."""


class EvaluationBatches:
    """Batches of images, read anew at each iteration, one batch ahead of the use.

    Args:
        paths: image files.
        preprocessing: preprocessing, for the image size and the channels.
        batch_size: images per batch; the last batch may be smaller.
        checksums: expected checksum of each file, or None to accept changed files.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        preprocessing: Preprocessing,
        batch_size: int,
        checksums: Sequence[int] | None = None,
    ) -> None:
        self._paths, self._preprocessing = paths, preprocessing
        self._batch_size, self._checksums = batch_size, checksums

    def __iter__(self) -> Iterator[Pixels]:
        """Yield the batches, uint8 [b, s, s, c].

        Raises:
            RunError: an image can no longer be read, or has changed. The error names the first one in order.
        """
        size, n = self._batch_size, len(self._paths)
        with ThreadPoolExecutor() as pool:

            def read(start: int) -> list[Future[Pixels]]:
                return [pool.submit(self._read, row) for row in range(start, min(start + size, n))]

            ahead = read(0)
            try:
                for start in range(0, n, size):
                    now, ahead = ahead, read(start + size)
                    yield np.stack([image.result() for image in now])
            finally:
                for image in ahead:
                    image.cancel()

    def _read(self, row: int) -> Pixels:
        try:
            pixels = read_image(self._paths[row], checksum=None if self._checksums is None else self._checksums[row])
            return in_channels(central_crop(pixels, self._preprocessing.image_size), self._preprocessing)
        except ImageError as error:
            raise unreadable(self._paths[row], error) from error


def unreadable(path: Path, error: ImageError) -> RunError:
    """Return the error about an image that could be read when it was inspected."""
    return RunError(*error.within(path, CHANGED if isinstance(error, ChangedImage) else VANISHED))
