"""Moving averages of the weights that a stage trains."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf


class Averages:
    """Exponential moving averages, one per variable.

    As in the published script, the decay is smaller in the first steps: at most (1 + n) / (10 + n) after n steps.

    Args:
        variables: variables to average, by TF1 name.
        decay: decay of the averages, from 0, below 1.
    """

    def __init__(self, variables: Mapping[str, tf.Variable], decay: float) -> None:
        self._variables, self._decay = variables, decay
        self._averages = {name: tf.Variable(variable) for name, variable in variables.items()}

    def begin(self) -> None:
        """Set the averages to the current values of the variables."""
        for name, average in self._averages.items():
            average.assign(self._variables[name])

    def move(self, steps: tf.Variable) -> None:
        """Move the averages toward the variables, after the given number of steps."""
        done = tf.cast(steps, tf.float32)
        decay = tf.minimum(self._decay, (1.0 + done) / (10.0 + done))
        for name, average in self._averages.items():
            average.assign_sub((1.0 - decay) * (average - self._variables[name]))

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the averages by TF1 name."""
        return {name: average.numpy() for name, average in self._averages.items()}

    def assign(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Set the averages to a result of `tensors`."""
        for name, average in self._averages.items():
            average.assign(tensors[name])
