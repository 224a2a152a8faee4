"""Batches of images for training, read on demand, shuffled and augmented."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from finetune.dataset.augmentation import Augmentation
from finetune.dataset.evaluation import unreadable
from finetune.dataset.scanning import Dataset
from finetune.errors import Problem, RunError
from finetune.images import ImageError, Pixels, Preprocessing, central_crop, in_channels, read_image
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
        drawn: batches as a TensorFlow dataset.
        reader: reader of their images.
    """

    def __init__(self, drawn: tf.data.Dataset, reader: _Reader) -> None:
        self.drawn, self._reader = drawn, reader

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches one by one.

        Raises:
            RunError: an image can no longer be read; the error names it, where TensorFlow's own error would hold a
                traceback as text.
        """
        try:
            yield from self.drawn
        except tf.errors.OpError as error:
            if not self._reader.failed:
                raise
            raise RunError(*self._reader.first_failure) from error


class _Reader:
    """A reader of single images within the graph. It keeps the errors, of which TensorFlow keeps only the text.

    Args:
        paths: image files.
        order: indices of the files to read, in order.
        augmentation: random changes of the whole images.
        preprocessing: preprocessing, for the image size and the channels.
        checksums: expected checksum of each file, or None to accept changed files.
        cropped: whether to return the central crop instead of the whole image.

    Attributes:
        failed: problems of unreadable images, by index.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        order: np.ndarray,
        augmentation: Augmentation,
        preprocessing: Preprocessing,
        checksums: Sequence[int] | None,
        *,
        cropped: bool,
    ) -> None:
        self._paths, self._order, self._augmentation = paths, order, augmentation
        self._preprocessing, self._checksums, self._cropped = preprocessing, checksums, cropped
        self.failed: dict[int, list[Problem]] = {}

    def __call__(self, index: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
        """Return the image, uint8 [height, width, c], turned and sheared, and cropped if it is to be."""
        image = tf.numpy_function(self._read, [index, degrees], tf.uint8, stateful=False)
        image.set_shape([None, None, self._preprocessing.shape[-1]])
        return image

    def _read(self, index: np.int64, degrees: np.float32) -> Pixels:
        path = self._paths[int(index)]
        try:
            pixels = read_image(path, checksum=None if self._checksums is None else self._checksums[int(index)])
            pixels = self._augmentation.place(pixels, int(index), float(degrees))
            if self._cropped:
                pixels = central_crop(pixels, self._preprocessing.image_size)
            return in_channels(pixels, self._preprocessing)
        except ImageError as error:
            self.failed[int(index)] = list(unreadable(path, error).problems)
            raise

    @property
    def first_failure(self) -> list[Problem]:
        """The problems of the first unreadable image in order; several images are read in parallel."""
        return next(self.failed[index] for index in self._order.tolist() if index in self.failed)


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
    images, reader = _drawn(dataset.paths, order, drawing.key(augment), preprocessing, augment, checksums)
    labels = tf.data.Dataset.from_tensor_slices(dataset.labels[order])
    return ImageBatches(tf.data.Dataset.zip((images, labels)).batch(batch_size).prefetch(2), reader)


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
    images, reader = _drawn(paths, indices, key, preprocessing, augment, checksums)
    return ImageBatches(images.batch(batch_size).prefetch(2), reader)


def _drawn(
    paths: Sequence[Path],
    indices: np.ndarray,
    key: int,
    preprocessing: Preprocessing,
    augment: Augment,
    checksums: Sequence[int] | None = None,
) -> tuple[tf.data.Dataset, _Reader]:
    """Return augmented images. The published order is rotation (bicubic, uniform in ± degrees), crop, flip.

    Shear and zoom join the rotation. Brightness, contrast and the erased square follow, on what the network sees. The
    degradations of the camera come last.
    """
    augmentation = Augmentation(augment, key)
    read = _Reader(paths, indices, augmentation, preprocessing, checksums, cropped=not augment.random_crop)

    def load(index: tf.Tensor) -> tf.Tensor:
        rotation_seed, crop_seed, flip_seed = tf.unstack(tf.random.split(tf.stack([key, index]), 3))
        limit = augment.random_rotate
        angle = tf.random.stateless_uniform([], rotation_seed, -limit, limit) if limit else tf.constant(0.0)
        image = read(index, angle)
        if augment.random_crop:
            image = tf.image.stateless_random_crop(image, preprocessing.shape, crop_seed)
        if augment.random_flip:
            image = tf.image.stateless_random_flip_left_right(image, flip_seed)
        if augmentation.finishes:
            image = tf.numpy_function(augmentation.finish, [image, index], tf.uint8, stateful=False)
        return tf.ensure_shape(image, preprocessing.shape)

    images = tf.data.Dataset.from_tensor_slices(indices).map(load, num_parallel_calls=os.cpu_count())
    options = tf.data.Options()
    # At its end, a pipeline waits for the autotuner, which sleeps for 10 ms, then 20, 40, … up to a minute.
    options.autotune.enabled = False
    return images.with_options(options), read
