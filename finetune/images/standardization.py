"""Standardization of pixel values to the network's input."""

from __future__ import annotations

import tensorflow as tf

from finetune.images.preprocessing import Standardization


def standardize(images: tf.Tensor, standardization: Standardization) -> tf.Tensor:
    """Standardize pixel values from 0 to 255 to the network's input.

    Args:
        images: pixel values, uint8 or float [n, s, s, 3].
        standardization: `fixed` is (x - 127.5) / 128; `per_image` is (x - mean) / max(std, 1/sqrt(n))
            over the n values of one image.

    Returns:
        Input of the network, float32 [n, s, s, 3].
    """
    images = tf.cast(images, tf.float32)
    if standardization == "fixed":
        return (images - 127.5) / 128.0
    # The input must be float32. TensorFlow 2 scales uint8 to 0…1 first, where TensorFlow 1 only cast it. This would
    # change the lower bound of the deviation.
    return tf.image.per_image_standardization(images)
