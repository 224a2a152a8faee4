"""Views as TensorFlow computes them: an independent reference, and the way that the pipeline went before."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from finetune.dataset.augmentation import Augmentation
from finetune.images import Preprocessing, central_crop, in_channels, read_image
from finetune.recipe import Augment


def batches(
    paths: Sequence[Path],
    indices: np.ndarray,
    key: int,
    preprocessing: Preprocessing,
    augment: Augment,
    batch_size: int,
    checksums: Sequence[int] | None = None,
) -> Iterator[np.ndarray]:
    """Yield batches of views, uint8 [b, s, s, c], with the draws, the crop and the flip of TensorFlow."""
    augmentation = Augmentation(augment, key)

    def read(index: np.int64, degrees: np.float32) -> np.ndarray:
        pixels = read_image(paths[int(index)], checksum=None if checksums is None else checksums[int(index)])
        pixels = augmentation.place(pixels, int(index), float(degrees))
        pixels = pixels if augment.random_crop else central_crop(pixels, preprocessing.image_size)
        return in_channels(pixels, preprocessing)

    def load(index: tf.Tensor) -> tf.Tensor:
        rotation_seed, crop_seed, flip_seed = tf.unstack(tf.random.split(tf.stack([key, index]), 3))
        limit = augment.random_rotate
        angle = tf.random.stateless_uniform([], rotation_seed, -limit, limit) if limit else tf.constant(0.0)
        image = tf.numpy_function(read, [index, angle], tf.uint8, stateful=False)
        image.set_shape([None, None, preprocessing.shape[-1]])
        if augment.random_crop:
            image = tf.image.stateless_random_crop(image, preprocessing.shape, crop_seed)
        if augment.random_flip:
            image = tf.image.stateless_random_flip_left_right(image, flip_seed)
        if augmentation.finishes:
            image = tf.numpy_function(augmentation.finish, [image, index], tf.uint8, stateful=False)
        return tf.ensure_shape(image, preprocessing.shape)

    images = tf.data.Dataset.from_tensor_slices(indices).map(load, num_parallel_calls=os.cpu_count())
    options = tf.data.Options()
    options.autotune.enabled = False
    for batch in images.with_options(options).batch(batch_size).prefetch(2):
        yield batch.numpy()
