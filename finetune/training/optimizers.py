"""Keras optimizers by their names in recipes, one for each learning rate within a stage."""

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
    """Make the optimizer of a stage. Its learning rate is set in each step.

    TensorFlow 1 and Keras agree on Adam, Adagrad and Adadelta. RMSProp's mean square starts at 0 in Keras and at 1 in
    TensorFlow 1. Keras includes the learning rate in the momentum's velocity. The path is the same while the rate is
    constant.
    """
    return _CLASSES[section.name](learning_rate=0.0, **section.constants)


class Optimizers:
    """Optimizer of a stage: one Keras optimizer per layer factor of its variables.

    Args:
        backbone: network of the variables.
        stage: stage with the optimizer and `layer_decay`.
        variables: variables that train, by TF1 name.
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
        """Number of steps done in the stage."""
        return self._groups[0][1].iterations

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the classifier, from which the other rates follow."""
        for factor, optimizer, _ in self._groups:
            optimizer.learning_rate.assign(of_layer(rate, factor))

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        """Update the variables with one gradient each, in their order."""
        by_name = dict(zip(self._names, gradients, strict=True))
        for _, optimizer, variables in self._groups:
            optimizer.apply([by_name[name] for name in variables], list(variables.values()))

    def state(self) -> dict[str, np.ndarray]:
        """Return all variables of the optimizers, by name."""
        return {key: np.asarray(variable) for key, variable in self._variables().items()}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Set the variables to a result of `state`."""
        for key, variable in self._variables().items():
            variable.assign(state[key])

    def _variables(self) -> dict[str, tf.Variable]:
        kept = [variable for _, optimizer, _ in self._groups for variable in optimizer.variables]
        return {f"optimizer/{i}": variable for i, variable in enumerate(kept)}
