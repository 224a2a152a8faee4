"""Keras' optimizers, by the names that recipes use."""

from __future__ import annotations

import keras

from finetune.recipe import Optimizer

_CLASSES = {
    "adam": keras.optimizers.Adam,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
    "rmsprop": keras.optimizers.RMSprop,
    "momentum": keras.optimizers.SGD,
}


def build(section: Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer of a stage; its learning rate is set epoch by epoch.

    TensorFlow 1 and Keras agree on Adam, Adagrad and Adadelta. RMSProp's mean square starts at 0
    here and at 1 there, and momentum keeps the rate inside its velocity here: the same path as long
    as the rate stays.
    """
    return _CLASSES[section.name](learning_rate=0.0, **section.constants)
