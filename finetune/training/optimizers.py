"""Keras' optimizers, by the names that recipes use, and one for each block where rates differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from finetune.backbones import Backbone
from finetune.recipe import Stage
from finetune.training.optimization import Optimizer
from finetune.training.rates import layer_factors, of_layer

_CLASSES = {
    "adam": keras.optimizers.Adam,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
    "rmsprop": keras.optimizers.RMSprop,
    "momentum": keras.optimizers.SGD,
}


def build(section: Optimizer) -> keras.optimizers.Optimizer:
    """Make the optimizer of a stage; its learning rate is set step by step.

    TensorFlow 1 and Keras agree on Adam, Adagrad and Adadelta. RMSProp's mean square starts at 0 here and at 1 there.
    Momentum keeps the rate inside its velocity here: the path is the same as long as the rate stays.
    """
    return _CLASSES[section.name](learning_rate=0.0, **section.constants)


class Optimizers:
    """The optimizer of a stage: one of Keras' for each layer factor that its variables have.

    Args:
        backbone: the network.
        stage: has the optimizer and `layer_decay`.
        variables: the variables that train, by TF1 name.
    """

    def __init__(self, backbone: Backbone, stage: Stage, variables: Mapping[str, tf.Variable]) -> None:
        factors = layer_factors(backbone, list(variables), stage.layer_decay)
        self._names = list(variables)
        self._groups = []
        for factor in sorted(set(factors.values()), reverse=True):
            names = [name for name in variables if factors[name] == factor]
            optimizer = build(stage.optimizer)
            optimizer.build([variables[name] for name in names])
            self._groups.append((factor, optimizer, {name: variables[name] for name in names}))

    @property
    def iterations(self) -> tf.Variable:
        """The number of steps done in the stage."""
        return self._groups[0][1].iterations

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the classifier, from which the others follow."""
        for factor, optimizer, _ in self._groups:
            optimizer.learning_rate.assign(of_layer(rate, factor))

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        """Update the variables by one gradient each, in their order."""
        by_name = dict(zip(self._names, gradients, strict=True))
        for _, optimizer, variables in self._groups:
            optimizer.apply([by_name[name] for name in variables], list(variables.values()))

    def state(self) -> dict[str, np.ndarray]:
        """Return all that the optimizers keep, by name."""
        return {key: np.asarray(variable) for key, variable in self._variables().items()}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Set what `state` gave."""
        for key, variable in self._variables().items():
            variable.assign(state[key])

    def _variables(self) -> dict[str, tf.Variable]:
        kept = [variable for _, optimizer, _ in self._groups for variable in optimizer.variables]
        return {f"optimizer/{i}": variable for i, variable in enumerate(kept)}
