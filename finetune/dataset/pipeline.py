"""Batches of images for training, read on demand, shuffled and augmented."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from finetune.dataset.reading import read_batches
from finetune.dataset.scanning import Dataset
from finetune.dataset.views import View, Viewer, draw_views
from finetune.images import Preprocessing
from finetune.recipe import Augment


class Batch(NamedTuple):
    """The input of a training step.

    Attributes:
        features: input of the first trained unit, float32 [b, ...].
        labels: classes of the images, int64 [b].
        rows: indices of the images in the dataset, int64 [b].
    """

    features: tf.Tensor
    labels: tf.Tensor
    rows: np.ndarray


class Drawing(NamedTuple):
    """The key of an epoch's random draws, each part 0 or more. With it, an epoch can be drawn again at any time."""

    seed: int
    stage: int
    epoch: int

    def generator(self) -> np.random.Generator:
        """Return the generator of the epoch's order."""
        generator = np.random.default_rng(list(self))
        generator.integers(2**63)  # skips the draw that `key` takes
        return generator

    def order(self, n: int) -> np.ndarray:
        """Return the shuffled order of `n` images, int64 [n]."""
        return self.generator().permutation(n)

    def key(self, augment: Augment) -> int:
        """Return the key of the augmentation, which differs per epoch, or per view with `augment.views`."""
        entropy = list(self) if augment.views is None else [self.seed, (self.epoch - 1) % augment.views]
        return int(np.random.default_rng(entropy).integers(2**63))


class ImageBatches:
    """Batches of images, computed anew at each iteration.

    Args:
        drawn: function that returns the views to read, in order.
        total: number of views.
        viewer: reader of the views.
        batch_size: images per batch; the last batch may be smaller.
        labels: label of each view, int64 [total]; None for batches without labels.
    """

    def __init__(
        self,
        drawn: Callable[[], Iterator[View]],
        total: int,
        viewer: Viewer,
        batch_size: int,
        labels: np.ndarray | None = None,
    ) -> None:
        self._drawn, self._total = drawn, total
        self._viewer, self._batch_size, self._labels = viewer, batch_size, labels

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches one by one: images, uint8 [b, s, s, c], and with labels also those, int64 [b].

        Raises:
            RunError: an image can no longer be read; the error names it.
        """
        start = 0
        for pixels in read_batches(self._drawn(), self._total, self._viewer, self._batch_size):
            images, end = tf.constant(pixels), start + len(pixels)
            yield images if self._labels is None else (images, tf.constant(self._labels[start:end]))
            start = end


def training_batches(
    dataset: Dataset,
    drawing: Drawing,
    *,
    preprocessing: Preprocessing,
    augment: Augment,
    batch_size: int,
    order: np.ndarray | None = None,
    checksums: Sequence[int] | None = None,
) -> ImageBatches:
    """Draw one epoch of augmented images: each image once, shuffled, or the images of `order`.

    An image's augmentation depends only on its index in `dataset` and on (seed, stage, epoch); with views, on (seed,
    view). An epoch can therefore be drawn again at any time. Its setup takes less than a tenth of a second.

    Args:
        dataset: images and labels.
        drawing: key of the epoch.
        preprocessing: preprocessing, for the image size.
        augment: augmentation of the images.
        batch_size: images per batch; the last batch may be smaller.
        order: indices of the epoch's images, int64 [n]; by default `drawing.order`.
        checksums: expected checksum of each image of `dataset`, or None to accept changed files.

    Returns:
        Batches of images, uint8 [b, s, s, c], and labels, int64 [b].
    """
    order = drawing.order(len(dataset)) if order is None else order
    drawn = functools.partial(draw_views, dataset.paths, order, drawing.key(augment), augment, checksums)
    viewer = Viewer(augment, drawing.key(augment), preprocessing)
    return ImageBatches(drawn, len(order), viewer, batch_size, dataset.labels[order])


def view_batches(
    paths: Sequence[Path],
    indices: np.ndarray,
    *,
    preprocessing: Preprocessing,
    augment: Augment,
    batch_size: int,
    key: int,
    checksums: Sequence[int] | None = None,
) -> ImageBatches:
    """Augment the images with these indices, in their order, as the epoch with this `Drawing.key` does.

    Args:
        paths: image files.
        indices: indices of the files to read.
        preprocessing: preprocessing, for the image size.
        augment: augmentation of the images.
        batch_size: images per batch; the last batch may be smaller.
        key: key of the augmentation, from `Drawing.key`.
        checksums: expected checksum of each file, or None to accept changed files.

    Returns:
        Batches of images, uint8 [b, s, s, c].
    """
    drawn = functools.partial(draw_views, paths, indices, key, augment, checksums)
    return ImageBatches(drawn, len(indices), Viewer(augment, key, preprocessing), batch_size)
