"""Standardization of pixel values to the network's input, in TensorFlow."""

from __future__ import annotations

import tensorflow as tf

from finetune.backbones import Standardization
from finetune.images.array_standardization import IMAGENET_DEVIATION, IMAGENET_MEAN


def standardize(images: tf.Tensor, standardization: Standardization) -> tf.Tensor:
    """Standardize pixel values from 0 to 255 to the network's input.

    - `fixed` is (x - 127.5) / 128, as FaceNet's `fixed_image_standardization`.
    - `per_image` is (x - mean) / max(std, 1/sqrt(n)) over the n values of one image, as in TensorFlow's
      `per_image_standardization`.
    - `unit` is x / 255: from 0 to 1.
    - `symmetric` is x / 127.5 - 1: from -1 to 1.
    - `imagenet` is (x / 255 - mean) / deviation, with ImageNet's mean and deviation of each color.
    - `none` leaves x as it is, for a network that standardizes by itself.

    Args:
        images: pixel values, uint8 or float [n, s, s, c].
        standardization: one of the above.

    Returns:
        Input of the network, float32 [n, s, s, c].
    """
    images = tf.cast(images, tf.float32)
    match standardization:
        case "fixed":
            return (images - 127.5) / 128.0
        case "unit":
            return images / 255.0
        case "symmetric":
            return images / 127.5 - 1.0
        case "imagenet":
            return (images / 255.0 - tf.constant(IMAGENET_MEAN)) / tf.constant(IMAGENET_DEVIATION)
        case "none":
            return images
    # The input must be float32. TensorFlow 2 scales uint8 to 0…1 first, where TensorFlow 1 only cast it. This would
    # change the lower bound of the deviation.
    return tf.image.per_image_standardization(images)
