"""Batch normalization that stays frozen, and tf-slim's layers over variables that already exist.

Why not `slim.batch_norm`: with FaceNet's settings it moves its statistics at every step in which
`phase_train` is true, whichever variables the optimizer was given, so that layers believed frozen
drift (davidsandberg/facenet issue 235). Here whether a layer's statistics are those of the batch
or those of the checkpoint is decided in Python, before the graph is traced: a frozen layer has no
batch normalization at all. By stored statistics it is a linear map, which `fold_batch_norm` puts into the
convolution before it, so there is no operation that could change them.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf
import tf_slim as slim

EPSILON = 0.001
DECAY = 0.995
"""Of the moving statistics, as in FaceNet's graph."""


def fold_batch_norm(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Puts batch normalization by the stored statistics into the layers before it.

    A layer's weights are scaled channel by channel, and biases take the place of its beta and its
    statistics. Gradients pass through to weights and beta.

    Args:
        variables: by TF1 name.

    Returns:
        By TF1 name, without `BatchNorm`.
    """
    folded = {name: value for name, value in variables.items() if "/BatchNorm/" not in name}
    for name, variance in variables.items():
        scope, found, statistic = name.partition("/BatchNorm/")
        if found and statistic == "moving_variance":
            beta, mean = (tf.cast(variables[f"{scope}/BatchNorm/{of}"], tf.float64) for of in ("beta", "moving_mean"))
            factor = 1.0 / tf.sqrt(tf.cast(variance, tf.float64) + EPSILON)
            folded[f"{scope}/weights"] = variables[f"{scope}/weights"] * tf.cast(factor, tf.float32)
            folded[f"{scope}/biases"] = tf.cast(beta - mean * factor, tf.float32)
    return folded


def batch_norm(inputs: tf.Tensor, decay: float = DECAY) -> tf.Tensor:
    """FaceNet's batch normalization while it trains: an offset (beta) and no scale (gamma).

    Normalizes by the batch's statistics, and moves the stored ones toward them.

    Args:
        inputs: [n, h, w, c], or [n, c].
        decay: how much of the stored statistics one training step keeps, in 0..1.

    Returns:
        Normalized values, of the shape of `inputs`.
    """
    channels = inputs.shape[-1]
    beta, mean, variance = batch_norm_variables(channels)
    images = inputs if inputs.shape.rank == 4 else inputs[:, tf.newaxis, tf.newaxis, :]
    outputs, batch_mean, batch_variance = tf.compat.v1.nn.fused_batch_norm(
        images, tf.ones([channels]), beta, epsilon=EPSILON, is_training=True
    )
    mean.assign_sub((1.0 - decay) * (mean - batch_mean))
    variance.assign_sub((1.0 - decay) * (variance - batch_variance))
    return outputs if inputs.shape.rank == 4 else outputs[:, 0, 0, :]


def stored_batch_norm(inputs: tf.Tensor) -> tf.Tensor:
    """FaceNet's batch normalization by the stored statistics, as an operation of its own: it is not folded.

    Args:
        inputs: [n, h, w, c], or [n, c].

    Returns:
        Normalized values, of the shape and type of `inputs`.
    """
    channels = inputs.shape[-1]
    beta, mean, variance = batch_norm_variables(channels)
    images = inputs if inputs.shape.rank == 4 else inputs[:, tf.newaxis, tf.newaxis, :]
    outputs, *_ = tf.compat.v1.nn.fused_batch_norm(
        images, tf.ones([channels]), beta, mean, variance, epsilon=EPSILON, is_training=False
    )
    return outputs if inputs.shape.rank == 4 else outputs[:, 0, 0, :]


def batch_norm_variables(channels: int) -> tuple[Any, Any, Any]:
    """beta, moving mean and moving variance of the layer in whose scope this is called, each [channels]."""
    with tf.compat.v1.variable_scope("BatchNorm"):
        beta = slim.model_variable("beta", shape=[channels])
        mean = slim.model_variable("moving_mean", shape=[channels], trainable=False)
        variance = slim.model_variable("moving_variance", shape=[channels], trainable=False)
    return beta, mean, variance


@contextlib.contextmanager
def existing_variables(variables: Mapping[str, Any]) -> Iterator[None]:
    """Within it, tf-slim's layers take the variables of their TF1 names from `variables`.

    Raises:
        KeyError: a layer asks for a name that `variables` lacks.
    """
    with variables_from(lambda name, shape: variables[name]):
        yield


@contextlib.contextmanager
def variables_from(look_up: Callable[[str, tuple[int, ...]], Any]) -> Iterator[None]:
    """Within it, tf-slim's layers get each variable from `look_up(TF1 name, shape)`.

    A layer that computes in another type than its variable's gets it cast.
    """

    def custom_getter(getter: object, name: str, shape: Any = None, dtype: Any = tf.float32, **_: object) -> Any:
        value = look_up(name, tuple(tf.TensorShape(shape).as_list()))
        return value if value.dtype == dtype else tf.cast(value, dtype)

    with warnings.catch_warnings():
        # tf-slim calls Keras methods that were deprecated after it was last released.
        warnings.filterwarnings("ignore", message=r"`layer\.(apply|updates)`", category=UserWarning)
        scope = tf.compat.v1.variable_scope(
            tf.compat.v1.get_variable_scope(), custom_getter=custom_getter, reuse=tf.compat.v1.AUTO_REUSE
        )
        with scope:
            yield
