"""Batches of images, read as they are needed: drawn for training, in order for evaluation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from finetune.dataset.scanning import Dataset
from finetune.errors import Problem, RunError
from finetune.images import ChangedImage, ImageError, Pixels, Preprocessing, central_crop, read_image
from finetune.recipe import Augment


class Batch(NamedTuple):
    """What a training step takes.

    Attributes:
        features: what the first unit that trains takes, float32 [b, ...].
        labels: int64 [b].
        rows: which image of the dataset each is, int64 [b].
    """

    features: tf.Tensor
    labels: tf.Tensor
    rows: np.ndarray


class Drawing(NamedTuple):
    """The key of all that is drawn in an epoch, so that an epoch can be drawn again at any time; 0 or more each."""

    seed: int
    stage: int
    epoch: int

    def generator(self) -> np.random.Generator:
        """Return what draws the epoch's images."""
        generator = np.random.default_rng(list(self))
        generator.integers(2**63)  # the key of what is drawn for each image
        return generator

    def order(self, n: int) -> np.ndarray:
        """Return the order of `n` images, int64 [n]."""
        return self.generator().permutation(n)

    def key(self, augment: Augment) -> int:
        """Return the key of what is drawn for each image: another in each epoch, or in each of `augment.views`."""
        entropy = list(self) if augment.views is None else [self.seed, (self.epoch - 1) % augment.views]
        return int(np.random.default_rng(entropy).integers(2**63))


class ImageBatches:
    """Batches of images, drawn anew each time that they are gone through.

    Args:
        drawn: the batches, as TensorFlow draws them.
        reader: what reads their images.
    """

    def __init__(self, drawn: tf.data.Dataset, reader: _Reader) -> None:
        self.drawn, self._reader = drawn, reader

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches one by one.

        Raises:
            RunError: an image can no longer be read; names it. (TensorFlow would raise its own error, with the
                traceback as text.)
        """
        try:
            yield from self.drawn
        except tf.errors.OpError as error:
            if not self._reader.failed:
                raise
            raise RunError(*self._reader.first_failure) from error


class _Reader:
    """Reads images one by one, within the graph. TensorFlow keeps no more than the text of what it fails on.

    Args:
        paths: the files.
        order: the indices of those that are read, in their order.
        crop: side of the central square that is taken, in pixels; None for the whole image.
        checksums: of the bytes of each path, where they must not have changed.

    Attributes:
        failed: what is wrong with the images that could not be read, by their indices.
    """

    def __init__(
        self, paths: Sequence[Path], order: np.ndarray, crop: int | None, checksums: Sequence[int] | None
    ) -> None:
        self._paths, self._order, self._crop, self._checksums = paths, order, crop, checksums
        self.failed: dict[int, list[Problem]] = {}

    def __call__(self, index: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
        """Return the image, rotated and, where asked, cropped: uint8 [height, width, 3]."""
        image = tf.numpy_function(self._read, [index, degrees], tf.uint8, stateful=False)
        image.set_shape([None, None, 3])
        return image

    def _read(self, index: np.int64, degrees: np.float32) -> Pixels:
        path = self._paths[int(index)]
        try:
            pixels = read_image(path, checksum=None if self._checksums is None else self._checksums[int(index)])
            if degrees:
                pixels = _rotate(pixels, float(degrees))
            return pixels if self._crop is None else central_crop(pixels, self._crop)
        except ImageError as error:
            advice = "it could be read when the run began: put it back and resume"
            if isinstance(error, ChangedImage):
                advice = "leave the images as they are, and start again"
            self.failed[int(index)] = error.within(path, advice)
            raise

    @property
    def first_failure(self) -> list[Problem]:
        """Of several images that are read at once, what is wrong with the first one."""
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
    """Draw one epoch: every image once and shuffled, or those of `order`, augmented.

    What happens to an image depends on (seed, stage, epoch), or with views on (seed, view), and on its
    index in `dataset` alone, so that an epoch can be drawn again at any time. Setting one up takes less
    than a tenth of a second.

    Args:
        drawing: the epoch's key.
        batch_size: images in a batch; the last one holds what remains.
        order: the epoch's images, int64 [n]; `drawing.order` where it is not given.
        checksums: of the bytes of each image of `dataset`, where they must not have changed.

    Returns:
        Batches of (uint8 [b, s, s, 3], int64 [b]).
    """
    order = drawing.order(len(dataset)) if order is None else order
    images, reader = _drawn(dataset.paths, order, drawing.key(augment), preprocessing.image_size, augment, checksums)
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
    """Draw what an epoch of this `Drawing.key` holds of the images with these indices, in their order.

    Args:
        checksums: of the bytes of each path, where they must not have changed.

    Returns:
        Batches of uint8 [b, s, s, 3].
    """
    images, reader = _drawn(paths, indices, key, preprocessing.image_size, augment, checksums)
    return ImageBatches(images.batch(batch_size).prefetch(2), reader)


def evaluation_batches(
    paths: Sequence[Path], *, preprocessing: Preprocessing, batch_size: int, checksums: Sequence[int] | None = None
) -> ImageBatches:
    """All images in order, cropped centrally.

    Args:
        checksums: of the bytes of each path, where they must not have changed.

    Returns:
        Batches of uint8 [b, s, s, 3]; the last one holds what remains.
    """
    images, reader = _drawn(paths, np.arange(len(paths)), 0, preprocessing.image_size, Augment(), checksums)
    return ImageBatches(images.batch(batch_size).prefetch(2), reader)


def _drawn(
    paths: Sequence[Path],
    indices: np.ndarray,
    key: int,
    size: int,
    augment: Augment,
    checksums: Sequence[int] | None = None,
) -> tuple[tf.data.Dataset, _Reader]:
    """Return images in the published order of operations: rotation (bicubic, uniform in ± degrees), crop, flip."""
    read = _Reader(paths, indices, None if augment.random_crop else size, checksums)

    def load(index: tf.Tensor) -> tf.Tensor:
        rotation_seed, crop_seed, flip_seed = tf.unstack(tf.random.split(tf.stack([key, index]), 3))
        limit = augment.random_rotate
        angle = tf.random.stateless_uniform([], rotation_seed, -limit, limit) if limit else tf.constant(0.0)
        image = read(index, angle)
        if augment.random_crop:
            image = tf.image.stateless_random_crop(image, [size, size, 3], crop_seed)
        if augment.random_flip:
            image = tf.image.stateless_random_flip_left_right(image, flip_seed)
        return tf.ensure_shape(image, [size, size, 3])

    images = tf.data.Dataset.from_tensor_slices(indices).map(load, num_parallel_calls=os.cpu_count())
    options = tf.data.Options()
    # A tuned pipeline's end waits for the tuner, which sleeps for 10 ms, then 20, 40, … up to a minute.
    options.autotune.enabled = False
    return images.with_options(options), read


def _rotate(pixels: Pixels, degrees: float) -> Pixels:
    """Counterclockwise, the corners black: `scipy.misc.imrotate(…, 'bicubic')` did this by Pillow."""
    return np.array(Image.fromarray(pixels).rotate(degrees, resample=Image.Resampling.BICUBIC))
