"""Batch normalization that stays frozen, and tf-slim's layers over variables that already exist.

`slim.batch_norm` is not used. With FaceNet's settings it updates its statistics at every step in which `phase_train`
is true, even in layers that the optimizer does not train. Layers believed frozen then drift (davidsandberg/facenet
issue 235).

Here Python chooses between batch statistics and stored ones before the graph is traced. A frozen layer has no batch
normalization at all. With stored statistics it is a linear map, and `fold` merges it into the convolution before it.
No operation is left that could change the statistics.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tf_slim as slim

from finetune.backbones import BatchNorm
from finetune.network.convolution import conv2d


class BatchNormVariables(NamedTuple):
    """The variables of a layer's batch normalization, each [channels]; `gamma` is None for a layer without scale."""

    beta: Any
    gamma: Any
    mean: Any
    variance: Any


def batch_norm(inputs: tf.Tensor, settings: BatchNorm) -> tf.Tensor:
    """Normalize by the batch statistics and move the stored ones toward them, as a trained layer does.

    Args:
        inputs: layer outputs, [n, h, w, c] or [n, c].
        settings: settings of the network's batch normalization.

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
    """Normalize by the stored statistics in a separate operation, without folding.

    Args:
        inputs: layer outputs, [n, h, w, c] or [n, c].
        settings: settings of the network's batch normalization.

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
    """Return the batch-normalization variables of the layer in the current variable scope."""
    with tf.compat.v1.variable_scope("BatchNorm"):
        beta = slim.model_variable("beta", shape=[channels])
        gamma = slim.model_variable("gamma", shape=[channels]) if settings.gamma else None
        mean = slim.model_variable("moving_mean", shape=[channels], trainable=False)
        variance = slim.model_variable("moving_variance", shape=[channels], trainable=False)
    return BatchNormVariables(beta, gamma, mean, variance)


def normalizing(normalizer: Callable[[tf.Tensor], tf.Tensor] | None) -> contextlib.AbstractContextManager[object]:
    """Return a context in which `normalizer` follows each layer; with None the layers have biases instead."""
    return slim.arg_scope(
        [conv2d, slim.fully_connected], **({} if normalizer is None else {"normalizer_fn": normalizer})
    )


@contextlib.contextmanager
def existing_variables(variables: Mapping[str, Any]) -> Iterator[None]:
    """Make tf-slim's layers take their variables from `variables`, by TF1 name, inside the context.

    Raises:
        KeyError: a layer asks for a name that `variables` lacks.
    """
    with variables_from(lambda name, _: variables[name]):
        yield


@contextlib.contextmanager
def variables_from(look_up: Callable[[str, tuple[int, ...]], Any]) -> Iterator[None]:
    """Make tf-slim's layers take each variable from `look_up(TF1 name, shape)` inside the context.

    A variable is cast where its layer computes in another type.
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
