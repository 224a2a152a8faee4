"""Batches of standardized images as a `tf.data.Dataset`: drawn for training, in order for evaluation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from finetune.dataset.images import ImageError, Pixels, central_crop, read_image
from finetune.dataset.scan import Dataset
from finetune.dataset.share import WHOLE, Share
from finetune.errors import DataError, RunError
from finetune.preprocessing import Preprocessing, Standardization
from finetune.recipe import Augment


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
) -> tf.data.Dataset:
    """One epoch: every image once, shuffled and augmented.

    In the published order: rotation (bicubic, uniform in ± `random_rotate` degrees), crop, flip,
    standardization. What happens to an image depends on (seed, stage, epoch) and on its index in
    `dataset` alone, so that an epoch can be drawn again at any time. Setting one up takes less than a
    tenth of a second.

    Args:
        batch_size: images in a batch; the last one holds what remains.
        seed, stage, epoch: 0 or more each.
        share: which images of each batch are drawn; all, where it is not given.

    Returns:
        Batches of (float32 [b, s, s, 3], int64 [b]); go through them by `iterate`.
    """
    order, key = epoch_order(len(dataset), seed, stage, epoch)
    order, batch_size = share.of(order, batch_size)
    size = preprocessing.image_size
    read = _reader(dataset.paths, None if augment.random_crop else size)

    def load(index: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rotation_seed, crop_seed, flip_seed = tf.unstack(tf.random.split(tf.stack([key, index]), 3))
        limit = augment.random_rotate
        angle = tf.random.stateless_uniform([], rotation_seed, -limit, limit) if limit else tf.constant(0.0)
        image = read(index, angle)
        if augment.random_crop:
            image = tf.image.stateless_random_crop(image, [size, size, 3], crop_seed)
        if augment.random_flip:
            image = tf.image.stateless_random_flip_left_right(image, flip_seed)
        return tf.ensure_shape(image, [size, size, 3]), label

    images = tf.data.Dataset.from_tensor_slices((order, dataset.labels[order]))
    batches = images.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size)
    return batches.map(lambda batch, labels: (standardize(batch, preprocessing.standardization), labels)).prefetch(2)


def epoch_order(n: int, seed: int, stage: int, epoch: int) -> tuple[np.ndarray, int]:
    """The order of `n` images in an epoch, int64 [n], and the key of what is drawn for each."""
    generator = np.random.default_rng([seed, stage, epoch])
    key = generator.integers(2**63)
    return generator.permutation(n), int(key)


def evaluation_batches(paths: Sequence[Path], *, preprocessing: Preprocessing, batch_size: int) -> tf.data.Dataset:
    """All images in order, cropped centrally.

    Returns:
        Batches of float32 [b, s, s, 3]; the last one holds what remains; go through them by `iterate`.
    """
    size = preprocessing.image_size
    read = _reader(paths, size)
    images = tf.data.Dataset.range(len(paths)).map(lambda index: read(index, 0.0), num_parallel_calls=tf.data.AUTOTUNE)
    batches = images.map(lambda image: tf.ensure_shape(image, [size, size, 3])).batch(batch_size)
    return batches.map(lambda batch: standardize(batch, preprocessing.standardization)).prefetch(2)


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
        raise RunError(f"{found[1]}; it could be read when the run began: put it back and resume") from error


def standardize(images: tf.Tensor, standardization: Standardization) -> tf.Tensor:
    """From pixel values 0 to 255 to the network's input.

    Args:
        images: uint8 or float [n, s, s, 3].
        standardization: `fixed` is (x - 127.5) / 128; `per_image` is (x - mean) / max(std, 1/sqrt(n))
            over the n values of one image.

    Returns:
        float32 [n, s, s, 3].
    """
    images = tf.cast(images, tf.float32)
    if standardization == "fixed":
        return (images - 127.5) / 128.0
    # Of float32 only: TensorFlow 2 scales uint8 to 0…1 first, where TensorFlow 1 cast it, and the
    # lower bound of the deviation then means another thing.
    return tf.image.per_image_standardization(images)


def _reader(paths: Sequence[Path], crop: int | None) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """(index, degrees) -> uint8 [height, width, 3]: one image read, rotated and, where asked, cropped."""

    def read(index: np.int64, degrees: np.float32) -> Pixels:
        path = paths[int(index)]
        try:
            pixels = read_image(path)
            if degrees:
                pixels = _rotate(pixels, float(degrees))
            return pixels if crop is None else central_crop(pixels, crop)
        except ImageError as error:
            raise DataError(f"{path}: {error}") from error

    def read_tensor(index: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
        image = tf.numpy_function(read, [index, degrees], tf.uint8, stateful=False)
        image.set_shape([None, None, 3])
        return image

    return read_tensor


def _rotate(pixels: Pixels, degrees: float) -> Pixels:
    """Counterclockwise, the corners black: `scipy.misc.imrotate(…, 'bicubic')` did this by Pillow."""
    return np.array(Image.fromarray(pixels).rotate(degrees, resample=Image.Resampling.BICUBIC))
