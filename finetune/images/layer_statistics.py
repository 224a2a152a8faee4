"""Statistics of the first layer, which tell how the images of a checkpoint's training were standardized."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from finetune.arrays import Doubles
from finetune.backbones import FACENET_STANDARDIZATIONS, Backbone, Convolution, Standardization
from finetune.images.array_standardization import standardize_array


def first_layer(backbone: Backbone) -> tuple[str, ...]:
    """Return the TF1 names of the first layer's weights, moving mean and moving variance.

    There are none for a network without batch normalization after its first layer.
    """
    first = backbone.units[0]
    if not isinstance(first.made_of, Convolution) or not first.made_of.batch_norm:
        return ()
    scope = backbone.scope_of(first.name)
    return f"{scope}/weights", f"{scope}/BatchNorm/moving_mean", f"{scope}/BatchNorm/moving_variance"


def standardization_distances(
    backbone: Backbone, variables: Mapping[str, np.ndarray], pixels: np.ndarray
) -> dict[Standardization, float]:
    """Return the distance of the first layer's statistics on images from the stored ones, by standardization.

    The standardizations are those of FaceNet's training. A network without such statistics gets no distance. The
    distance is the Kullback-Leibler divergence between the two normal distributions, averaged over channels.

    Args:
        backbone: the network.
        variables: values of the variables that `first_layer` names.
        pixels: images, uint8 [n, s, s, c].
    """
    layer = backbone.units[0].made_of
    if not first_layer(backbone) or not isinstance(layer, Convolution):
        return {}
    weights, mean, variance = (variables[name] for name in first_layer(backbone))
    distances: dict[Standardization, float] = {}
    for standardization in FACENET_STANDARDIZATIONS:
        seen, spread = _moments(standardize_array(pixels, standardization), weights, layer)
        ratio = np.maximum(spread, 1e-12) / np.maximum(variance, 1e-12)
        divergence = 0.5 * (ratio - 1 - np.log(ratio) + (seen - mean) ** 2 / np.maximum(variance, 1e-12))
        distances[standardization] = float(divergence.mean())
    return distances


def _moments(images: np.ndarray, weights: np.ndarray, layer: Convolution) -> tuple[Doubles, Doubles]:
    """Return mean and variance of each of the layer's channels over all places of all images [n, s, s, c]."""
    height, width, _, filters = weights.shape
    if layer.padding == "SAME":
        images = np.pad(
            images, ((0, 0), *(_padding(images.shape[1], side, layer.stride) for side in (height, width)), (0, 0))
        )
    sums, squares, places = np.zeros(filters), np.zeros(filters), 0
    for image in images:
        windows = sliding_window_view(image, (height, width), axis=(0, 1))[:: layer.stride, :: layer.stride]
        outputs = np.tensordot(windows, weights, ([3, 4, 2], [0, 1, 2])).astype(np.float64)  # [h, w, filters]
        sums += outputs.sum((0, 1))
        squares += (outputs**2).sum((0, 1))
        places += outputs.shape[0] * outputs.shape[1]
    mean = sums / places
    return mean, np.maximum(squares / places - mean**2, 0)


def _padding(side: int, window: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after an axis, as TensorFlow pads with `SAME`."""
    zeros = max((-(-side // stride) - 1) * stride + window - side, 0)
    return zeros // 2, zeros - zeros // 2
