"""Batches of images for a network, decoded one batch ahead of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from finetune.errors import DataError
from finetune.images.given import Change, OneImage, network_input
from finetune.images.preprocessing import Preprocessing
from finetune.images.reading import ImageError
from finetune.progress import track


def input_batches(
    images: Sequence[OneImage],
    preprocessing: Preprocessing,
    batch_size: int,
    bad: dict[Path, str],
    what: str,
    *,
    standardized: bool = False,
    change: Change | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows [b] and the network's inputs [b, s, s, c].

    Args:
        images: images in any form that a model takes, one by one.
        preprocessing: preprocessing that the network expects.
        batch_size: images per batch.
        bad: receives `{path: reason}` for files that can't be read, which are left out.
        what: two or three words for the progress.
        standardized: whether the images are float arrays that are already standardized.
        change: change of the decoded pixels before the crop; not for standardized arrays.

    Raises:
        DataError: an image that is not a file can't be used.
    """

    def decode(row: int) -> np.ndarray | None:
        image = images[row]
        try:
            return network_input(image, preprocessing, standardized=standardized, change=change)
        except ImageError as error:
            if standardized or not isinstance(image, (str, os.PathLike)):
                raise DataError(*error.within(f"images[{row}]")) from None
            bad[Path(os.path.expanduser(image))] = str(error)
            return None

    starts = range(0, len(images), batch_size)
    with ThreadPoolExecutor() as pool:

        def read(start: int) -> list[Future[np.ndarray | None]]:
            return [pool.submit(decode, row) for row in range(start, min(start + batch_size, len(images)))]

        ahead = read(0)
        for start in track(starts, len(images), what, batch_size):
            futures, ahead = ahead, read(start + batch_size)
            decoded = [(start + i, future.result()) for i, future in enumerate(futures)]
            rows = np.array([row for row, pixels in decoded if pixels is not None], int)
            if rows.size:
                yield rows, np.stack([pixels for _, pixels in decoded if pixels is not None])
