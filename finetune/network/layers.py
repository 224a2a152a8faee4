"""Batch normalization that stays frozen, and tf-slim's layers over variables that already exist.

Why not `slim.batch_norm`: with FaceNet's settings it moves its statistics at every step in which
`phase_train` is true, whichever variables the optimizer was given, so that layers believed frozen
drift (davidsandberg/facenet issue 235). Here whether a layer's statistics are those of the batch
or those of the checkpoint is decided in Python, unit by unit, before the graph is traced: a frozen
layer has no operation that could change it.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import tensorflow as tf
import tf_slim as slim

EPSILON = 0.001
DECAY = 0.995
"""Of the moving statistics, as in FaceNet's graph."""


BatchNorm = Literal["inference", "frozen", "train"]
"""How a unit normalizes.

- `inference`: by the stored statistics, in one fused operation that is merged into the convolution.
- `frozen`: the same, written out, for units that train around frozen statistics: the fused operation's
  gradient has no deterministic kernel on GPUs.
- `train`: by the batch's statistics, toward which the stored ones move.
"""


def batch_norm(inputs: tf.Tensor, mode: BatchNorm = "inference", decay: float = DECAY) -> tf.Tensor:
    """FaceNet's batch normalization, as a `normalizer_fn`: an offset (beta) and no scale (gamma).

    Args:
        inputs: [n, h, w, c], or [n, c].
        mode: only `train` can change the stored statistics.
        decay: how much of the stored statistics one training step keeps, in 0..1.

    Returns:
        Normalized values, of the shape of `inputs`.
    """
    channels = inputs.shape[-1]
    with tf.compat.v1.variable_scope("BatchNorm"):
        beta = slim.model_variable("beta", shape=[channels])
        mean = slim.model_variable("moving_mean", shape=[channels], trainable=False)
        variance = slim.model_variable("moving_variance", shape=[channels], trainable=False)
    if mode == "frozen":
        return (inputs - mean) * tf.math.rsqrt(variance + EPSILON) + beta
    images = inputs if inputs.shape.rank == 4 else inputs[:, tf.newaxis, tf.newaxis, :]
    training = mode == "train"
    statistics = {} if training else {"mean": mean, "variance": variance}
    outputs, batch_mean, batch_variance = tf.compat.v1.nn.fused_batch_norm(
        images, tf.ones([channels]), beta, epsilon=EPSILON, is_training=training, **statistics
    )
    if training:
        mean.assign_sub((1.0 - decay) * (mean - batch_mean))
        variance.assign_sub((1.0 - decay) * (variance - batch_variance))
    return outputs if inputs.shape.rank == 4 else outputs[:, 0, 0, :]


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
    """Within it, tf-slim's layers get each variable from `look_up(TF1 name, shape)`."""

    def custom_getter(getter: object, name: str, shape: Any = None, **_: object) -> Any:
        return look_up(name, tuple(tf.TensorShape(shape).as_list()))

    with warnings.catch_warnings():
        # tf-slim calls Keras methods that were deprecated after it was last released.
        warnings.filterwarnings("ignore", message=r"`layer\.(apply|updates)`", category=UserWarning)
        scope = tf.compat.v1.variable_scope(
            tf.compat.v1.get_variable_scope(), custom_getter=custom_getter, reuse=tf.compat.v1.AUTO_REUSE
        )
        with scope:
            yield
