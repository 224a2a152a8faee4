"""Program that test_strategy.py runs in its own process, whose CPU is split in two before TensorFlow starts.

two_devices.py run RECIPE key=value …     finetune run
two_devices.py step CHECKPOINT            one step with `batch_norm: train`, against one device by hand
two_devices.py weights CHECKPOINT         one step with `class_weight: balanced`, against one device
"""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from finetune import cli  # noqa: E402
from finetune.model import Model  # noqa: E402
from finetune.recipe.stage import Stage  # noqa: E402
from finetune.runtime.strategy import SINGLE, create_strategy  # noqa: E402
from finetune.training.replicated import replication_of  # noqa: E402
from finetune.training.step import Trainer  # noqa: E402


def step_with_batch_norm(checkpoint: str) -> None:
    """Assert that the moving statistics become the mean of those that each replica's images give alone."""
    strategy = create_strategy("mirrored")
    assert strategy.share.replicas == 2
    stage = Stage("s", "Block8", 1, batch_norm="train")
    features = np.random.default_rng(1).normal(size=[7, 1, 1, 1792]).astype(np.float32)
    labels = np.arange(7) % 3

    def after_a_step(strategy, rows: slice) -> dict[str, np.ndarray]:
        with strategy.scope():
            model = Model.restore(checkpoint, class_names=("ann", "bob", "cid"), seed=1)
        trainer = Trainer(model, stage, replication_of(strategy))
        trainer.step(tf.constant(features[rows]), tf.constant(labels[rows]), 0.01, (1, 1))
        for name in trainer.names:
            copies = tf.distribute.get_strategy().experimental_local_results(model.variables[name])
            np.testing.assert_array_equal(*[copy.numpy() for copy in (copies * 2)[:2]])
        return model.tensors(trainer.statistics)

    first, second = after_a_step(SINGLE, slice(0, 4)), after_a_step(SINGLE, slice(4, 7))
    for name, value in after_a_step(strategy, slice(0, 7)).items():
        np.testing.assert_allclose(value, (first[name] + second[name]) / 2, rtol=1e-5, atol=1e-6)


def step_with_class_weights(checkpoint: str) -> None:
    """Assert that two replicas weigh the people of the whole batch as one device does."""
    stage = Stage("s", "Block8", 1, class_weight="balanced")
    features = np.random.default_rng(1).normal(size=[7, 1, 1, 1792]).astype(np.float32)
    labels = np.array([0, 0, 0, 0, 1, 2, 0])

    def after_a_step(strategy, stage: Stage) -> dict[str, np.ndarray]:
        with strategy.scope():
            model = Model.restore(checkpoint, class_names=("ann", "bob", "cid"), seed=1)
        trainer = Trainer(model, stage, replication_of(strategy), labels)
        trainer.step(tf.constant(features), tf.constant(labels), 0.01, (1, 1))
        return model.tensors(trainer.weights)

    one, two = after_a_step(SINGLE, stage), after_a_step(create_strategy("mirrored"), stage)
    unweighted = after_a_step(SINGLE, Stage("s", "Block8", 1))
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, atol=1e-4)
    assert any(np.abs(unweighted[name] - value).max() > 1e-3 for name, value in one.items())


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "step":
        step_with_batch_norm(*arguments)
    elif command == "weights":
        step_with_class_weights(*arguments)
    else:
        sys.exit(cli.main(["run", *arguments]))
