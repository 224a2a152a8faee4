"""Batches of images in order, cropped centrally, for embedding and evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from finetune.dataset.reading import read_batches
from finetune.dataset.views import Viewer, draw_views
from finetune.images import Pixels, Preprocessing


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
        rows = np.arange(len(self._paths))
        views = draw_views(self._paths, rows, 0, None, self._checksums)
        yield from read_batches(views, len(rows), Viewer(None, 0, self._preprocessing), self._batch_size)
