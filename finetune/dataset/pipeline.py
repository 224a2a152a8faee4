"""Batches of images as a `tf.data.Dataset`: drawn for training, in order for evaluation."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from finetune.dataset.scanning import Dataset
from finetune.errors import DataError, RunError
from finetune.images import ChangedImage, ImageError, Pixels, Preprocessing, central_crop, read_image
from finetune.recipe import Augment
from finetune.runtime import WHOLE, Share


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


def training_batches(
    dataset: Dataset,
    *,
    preprocessing: Preprocessing,
    augment: Augment,
    batch_size: int,
    seed: int,
    stage: int,
    epoch: int,
    share: Share = WHOLE,
    order: np.ndarray | None = None,
    checksums: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """One epoch: every image once and shuffled, or those of `order`, augmented.

    What happens to an image depends on (seed, stage, epoch), or with views on (seed, view), and on its
    index in `dataset` alone, so that an epoch can be drawn again at any time. Setting one up takes less
    than a tenth of a second.

    Args:
        batch_size: images in a batch; the last one holds what remains.
        seed, stage, epoch: 0 or more each.
        share: which images of each batch are drawn; all, where it is not given.
        order: the epoch's images, int64 [n]; `epoch_order` where it is not given.
        checksums: of the bytes of each image of `dataset`, where they must not have changed.

    Returns:
        Batches of (uint8 [b, s, s, 3], int64 [b]); go through them by `iterate`.
    """
    order = epoch_order(len(dataset), seed, stage, epoch) if order is None else order
    key = drawing_key(augment, seed, stage, epoch)
    order, batch_size = share.of(order, batch_size)
    images = _drawn(dataset.paths, order, key, preprocessing.image_size, augment, checksums)
    labels = tf.data.Dataset.from_tensor_slices(dataset.labels[order])
    return tf.data.Dataset.zip((images, labels)).batch(batch_size).prefetch(2)


def view_batches(
    paths: Sequence[Path],
    indices: np.ndarray,
    *,
    preprocessing: Preprocessing,
    augment: Augment,
    batch_size: int,
    key: int,
    checksums: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """What an epoch of this `drawing_key` holds of the images with these indices, in their order.

    Args:
        checksums: of the bytes of each path, where they must not have changed.

    Returns:
        Batches of uint8 [b, s, s, 3]; go through them by `iterate`.
    """
    images = _drawn(paths, indices, key, preprocessing.image_size, augment, checksums)
    return images.batch(batch_size).prefetch(2)


def epoch_order(n: int, seed: int, stage: int, epoch: int) -> np.ndarray:
    """The order of `n` images in an epoch, int64 [n]."""
    return epoch_generator(seed, stage, epoch).permutation(n)


def epoch_generator(seed: int, stage: int, epoch: int) -> np.random.Generator:
    """What an epoch draws its images with."""
    generator = np.random.default_rng([seed, stage, epoch])
    generator.integers(2**63)  # the epoch's drawing key
    return generator


def drawing_key(augment: Augment, seed: int, stage: int, epoch: int) -> int:
    """The key of what is drawn for each image: another in each epoch, or in each of `augment.views`."""
    entropy = [seed, stage, epoch] if augment.views is None else [seed, (epoch - 1) % augment.views]
    return int(np.random.default_rng(entropy).integers(2**63))


def evaluation_batches(
    paths: Sequence[Path], *, preprocessing: Preprocessing, batch_size: int, checksums: Sequence[int] | None = None
) -> tf.data.Dataset:
    """All images in order, cropped centrally.

    Args:
        checksums: of the bytes of each path, where they must not have changed.

    Returns:
        Batches of uint8 [b, s, s, 3]; the last one holds what remains; go through them by `iterate`.
    """
    images = _drawn(paths, np.arange(len(paths)), 0, preprocessing.image_size, Augment(), checksums)
    return images.batch(batch_size).prefetch(2)


def _drawn(
    paths: Sequence[Path],
    indices: np.ndarray,
    key: int,
    size: int,
    augment: Augment,
    checksums: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """Images in the published order of operations: rotation (bicubic, uniform in ± degrees), crop, flip."""
    read = _reader(paths, None if augment.random_crop else size, checksums)

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
    return images.with_options(options)


def iterate(batches: tf.data.Dataset) -> Iterator[Any]:
    """The batches, one by one.

    Raises:
        RunError: an image can no longer be read; names it. (TensorFlow would raise its own error,
            with the traceback as text.)
    """
    try:
        yield from batches
    except tf.errors.OpError as error:
        found = re.search(rf"{DataError.__name__}: (.*)", error.message)
        if found is None:
            raise
        raise RunError(found[1]) from error


def _reader(
    paths: Sequence[Path], crop: int | None, checksums: Sequence[int] | None
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """(index, degrees) -> uint8 [height, width, 3]: one image read, rotated and, where asked, cropped."""

    def read(index: np.int64, degrees: np.float32) -> Pixels:
        path = paths[int(index)]
        try:
            pixels = read_image(path, checksum=None if checksums is None else checksums[int(index)])
            if degrees:
                pixels = _rotate(pixels, float(degrees))
            return pixels if crop is None else central_crop(pixels, crop)
        except ChangedImage as error:
            raise DataError(f"{path}: {error}; leave the images as they are, and start again") from error
        except ImageError as error:
            raise DataError(f"{path}: {error}; it could be read when the run began: put it back and resume") from error

    def read_tensor(index: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
        image = tf.numpy_function(read, [index, degrees], tf.uint8, stateful=False)
        image.set_shape([None, None, 3])
        return image

    return read_tensor


def _rotate(pixels: Pixels, degrees: float) -> Pixels:
    """Counterclockwise, the corners black: `scipy.misc.imrotate(…, 'bicubic')` did this by Pillow."""
    return np.array(Image.fromarray(pixels).rotate(degrees, resample=Image.Resampling.BICUBIC))
