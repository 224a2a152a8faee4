"""Batch normalization that stays frozen, and tf-slim's layers over variables that already exist.

Why not `slim.batch_norm`: with FaceNet's settings it moves its statistics at every step in which
`phase_train` is true, whichever variables the optimizer was given, so that layers believed frozen
drift (davidsandberg/facenet issue 235). Here whether a layer's statistics are those of the batch
or those of the checkpoint is decided in Python, before the graph is traced: a frozen layer has no
batch normalization at all. By stored statistics it is a linear map, which `fold` puts into the
convolution before it, so there is no operation that could change them.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tf_slim as slim

from finetune.backbones import BatchNorm


class BatchNormVariables(NamedTuple):
    """The variables of a layer's batch normalization, each [channels]; `gamma` is None where there is none."""

    beta: Any
    gamma: Any
    mean: Any
    variance: Any


def batch_norm(inputs: tf.Tensor, settings: BatchNorm) -> tf.Tensor:
    """Normalize by the batch's statistics, and move the stored ones toward them, as a layer that trains does.

    Args:
        inputs: [n, h, w, c], or [n, c].
        settings: of the network's batch normalization.

    Returns:
        Normalized values, of the shape of `inputs`.
    """
    channels = inputs.shape[-1]
    beta, gamma, mean, variance = batch_norm_variables(channels, settings)
    images = inputs if inputs.shape.rank == 4 else inputs[:, tf.newaxis, tf.newaxis, :]  # [n, h, w, c]
    outputs, batch_mean, batch_variance = tf.compat.v1.nn.fused_batch_norm(
        images, tf.ones([channels]) if gamma is None else gamma, beta, epsilon=settings.epsilon, is_training=True
    )
    mean.assign_sub((1.0 - settings.decay) * (mean - batch_mean))
    variance.assign_sub((1.0 - settings.decay) * (variance - batch_variance))
    return outputs if inputs.shape.rank == 4 else outputs[:, 0, 0, :]  # [n, c] where [n, c] came in


def stored_batch_norm(inputs: tf.Tensor, settings: BatchNorm) -> tf.Tensor:
    """Normalize by the stored statistics, in an operation of its own: it is not folded.

    Args:
        inputs: [n, h, w, c], or [n, c].
        settings: of the network's batch normalization.

    Returns:
        Normalized values, of the shape and type of `inputs`.
    """
    channels = inputs.shape[-1]
    beta, gamma, mean, variance = batch_norm_variables(channels, settings)
    images = inputs if inputs.shape.rank == 4 else inputs[:, tf.newaxis, tf.newaxis, :]  # [n, h, w, c]
    scale = tf.ones([channels]) if gamma is None else gamma
    outputs, *_ = tf.compat.v1.nn.fused_batch_norm(
        images, scale, beta, mean, variance, epsilon=settings.epsilon, is_training=False
    )
    return outputs if inputs.shape.rank == 4 else outputs[:, 0, 0, :]  # [n, c] where [n, c] came in


def batch_norm_variables(channels: int, settings: BatchNorm) -> BatchNormVariables:
    """Return the variables of the batch normalization of the layer in whose scope this is called."""
    with tf.compat.v1.variable_scope("BatchNorm"):
        beta = slim.model_variable("beta", shape=[channels])
        gamma = slim.model_variable("gamma", shape=[channels]) if settings.gamma else None
        mean = slim.model_variable("moving_mean", shape=[channels], trainable=False)
        variance = slim.model_variable("moving_variance", shape=[channels], trainable=False)
    return BatchNormVariables(beta, gamma, mean, variance)


def normalizing(normalizer: Callable[[tf.Tensor], tf.Tensor] | None) -> contextlib.AbstractContextManager[object]:
    """Within it, tf-slim's layers are followed by a batch normalization; None: by none, they have biases instead."""
    return slim.arg_scope(
        [slim.conv2d, slim.fully_connected], **({} if normalizer is None else {"normalizer_fn": normalizer})
    )


@contextlib.contextmanager
def existing_variables(variables: Mapping[str, Any]) -> Iterator[None]:
    """Within it, tf-slim's layers take the variables of their TF1 names from `variables`.

    Raises:
        KeyError: a layer asks for a name that `variables` lacks.
    """
    with variables_from(lambda name, _: variables[name]):
        yield


@contextlib.contextmanager
def variables_from(look_up: Callable[[str, tuple[int, ...]], Any]) -> Iterator[None]:
    """Within it, tf-slim's layers get each variable from `look_up(TF1 name, shape)`.

    A layer that computes in another type than its variable's gets it cast.
    """

    def custom_getter(getter: object, name: str, shape: Any = None, dtype: Any = tf.float32, **others: object) -> Any:
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
