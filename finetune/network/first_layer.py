"""Statistics of the first layer, which tell how the images of a checkpoint's training were standardized."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from finetune.backbones import FACENET_STANDARDIZATIONS, Backbone, Convolution, Standardization
from finetune.images import standardize


def standardization_distances(
    backbone: Backbone, variables: Mapping[str, tf.Variable], pixels: np.ndarray
) -> dict[Standardization, float]:
    """Return the distance of the first layer's statistics on images from the stored ones, by standardization.

    The standardizations are those of FaceNet's training. A network without batch normalization after its first layer
    has no such statistics, and gets no distance. The distance is the Kullback-Leibler divergence between the two normal
    distributions, averaged over channels.

    Args:
        backbone: the network.
        variables: variables by TF1 name.
        pixels: images, uint8 [n, s, s, c].
    """
    first = backbone.units[0]
    if not isinstance(first.made_of, Convolution) or not first.made_of.batch_norm:
        return {}
    scope = backbone.scope_of(first.name)
    mean, variance = (variables[f"{scope}/BatchNorm/moving_{statistic}"].numpy() for statistic in ("mean", "variance"))
    distances: dict[Standardization, float] = {}
    for standardization in FACENET_STANDARDIZATIONS:
        inputs = standardize(tf.constant(pixels), standardization)
        weights = variables[f"{scope}/weights"]
        outputs = tf.nn.conv2d(inputs, weights, first.made_of.stride, first.made_of.padding).numpy()  # [n, h, w, c]
        seen, spread = outputs.mean((0, 1, 2)), outputs.var((0, 1, 2))
        ratio = np.maximum(spread, 1e-12) / np.maximum(variance, 1e-12)
        divergence = 0.5 * (ratio - 1 - np.log(ratio) + (seen - mean) ** 2 / np.maximum(variance, 1e-12))
        distances[standardization] = float(divergence.mean())
    return distances
