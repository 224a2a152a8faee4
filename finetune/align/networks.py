"""MTCNN's proposal, refinement and output networks (Zhang et al., 2016), as in FaceNet's detector."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from finetune.align.weights import load_weights
from finetune.runtime import refuse_fork

Floats = npt.NDArray[np.float32]


class Networks:
    """The three networks as graphs, with their weights as constants.

    Inputs are RGB, 0..255. A regression moves left, top, right and bottom, in units of the box's width and height.
    """

    def __init__(self) -> None:
        refuse_fork()
        self._propose = _traced(_propose, [None, None, None, 3])
        self._refine = _traced(_refine, [None, 24, 24, 3])
        self._output = _traced(_output, [None, 48, 48, 3])

    def propose(self, images: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Run P-Net on whole images: a window of 12 x 12 pixels at every second pixel.

        Args:
            images: images of at least 12 x 12 pixels, uint8 [n, h, w, 3].

        Returns:
            Probabilities of a face [n, ceil((h - 2) / 2) - 4, ceil((w - 2) / 2) - 4], and regressions [..., 4].
        """
        probabilities, regressions = self._propose(images)
        return probabilities.numpy(), regressions.numpy()

    def refine(self, crops: Floats) -> tuple[Floats, Floats]:
        """Run R-Net on crops [n, 24, 24, 3], for probabilities [n] and regressions [n, 4]."""
        probabilities, regressions = self._refine(crops)
        return probabilities.numpy(), regressions.numpy()

    def output(self, crops: Floats) -> tuple[Floats, Floats, Floats]:
        """Run O-Net on crops [n, 48, 48, 3], for probabilities [n], regressions [n, 4] and landmarks [n, 10].

        Landmarks are ordered as in `finetune.align.Faces`, in units of the crop from its left and top.
        """
        probabilities, regressions, landmarks = self._output(crops)
        return probabilities.numpy(), regressions.numpy(), landmarks.numpy()


def _traced(
    network: Callable[[tf.Tensor], tuple[tf.Tensor, ...]], shape: list[int | None]
) -> tf.types.experimental.PolymorphicFunction:
    return tf.function(network, input_signature=[tf.TensorSpec(shape)])


def _propose(x: tf.Tensor) -> tuple[tf.Tensor, ...]:
    weights = iter(load_weights("pnet"))
    x = _pool(_conv(_standardize(x), weights), 2, "SAME")
    x = _conv(_conv(x, weights), weights)
    regressions, logits = (_linear(x, weights, tf.nn.conv2d, strides=1, padding="VALID") for _ in range(2))
    return _face(logits), regressions


def _refine(x: tf.Tensor) -> tuple[tf.Tensor, ...]:
    weights = iter(load_weights("rnet"))
    x = _pool(_conv(_standardize(x), weights), 3, "SAME")
    x = _pool(_conv(x, weights), 3, "VALID")
    x = _dense(_conv(x, weights), weights)
    regressions, logits = (_linear(x, weights, tf.matmul) for _ in range(2))
    return _face(logits), regressions


def _output(x: tf.Tensor) -> tuple[tf.Tensor, ...]:
    weights = iter(load_weights("onet"))
    x = _pool(_conv(_standardize(x), weights), 3, "SAME")
    x = _pool(_conv(x, weights), 3, "VALID")
    x = _pool(_conv(x, weights), 2, "SAME")
    x = _dense(_conv(x, weights), weights)
    regressions, landmarks, logits = (_linear(x, weights, tf.matmul) for _ in range(3))
    return _face(logits), regressions, landmarks


def _standardize(pixels: tf.Tensor) -> tf.Tensor:
    return (tf.cast(pixels, tf.float32) - 127.5) * 0.0078125


def _conv(x: tf.Tensor, weights: Iterator[Floats]) -> tf.Tensor:
    return _prelu(_linear(x, weights, tf.nn.conv2d, strides=1, padding="VALID"), weights)


def _dense(x: tf.Tensor, weights: Iterator[Floats]) -> tf.Tensor:
    """Apply a fully connected layer to flattened features, with columns before rows, as in Caffe."""
    flat = tf.reshape(tf.transpose(x, (0, 2, 1, 3)), [tf.shape(x)[0], np.prod(x.shape[1:])])
    return _prelu(_linear(flat, weights, tf.matmul), weights)


def _linear(
    x: tf.Tensor, weights: Iterator[Floats], operation: Callable[..., tf.Tensor], **options: object
) -> tf.Tensor:
    kernel, bias = next(weights), next(weights)
    return tf.nn.bias_add(operation(x, kernel, **options), bias)


def _prelu(x: tf.Tensor, weights: Iterator[Floats]) -> tf.Tensor:
    alpha = next(weights)
    below = alpha * x
    # With no slope above 1, PReLU is a maximum, which is faster in TensorFlow than a comparison.
    return tf.maximum(x, below) if (alpha <= 1).all() else tf.where(x > 0, x, below)


def _pool(x: tf.Tensor, size: int, padding: str) -> tf.Tensor:
    return tf.nn.max_pool2d(x, size, 2, padding)


def _face(logits: tf.Tensor) -> tf.Tensor:
    """Return the probability of the second class, by softmax."""
    return tf.nn.softmax(logits)[..., 1]
