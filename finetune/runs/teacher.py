"""The teacher of distillation: the restored checkpoint, whatever the model has learned since."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from finetune import network
from finetune.arrays import Floats
from finetune.dataset import Batch, Dataset, Drawing, view_batches
from finetune.embedding import FILL_BATCH, Embedder
from finetune.interruption import stop_if_asked
from finetune.progress import track
from finetune.recipe import Stage
from finetune.runs.opening import Inputs

Targets: TypeAlias = Callable[[Batch, int], Floats | tf.Tensor]
"""Function from a batch and the number of its epoch to the embeddings that it is to have, float32 [b, E]."""


class Teacher:
    """The restored checkpoint, as the source of a stage's target embeddings.

    Args:
        inputs: inputs of the run. Their model is the student.
    """

    def __init__(self, inputs: Inputs) -> None:
        self._inputs, self._model = inputs, inputs.model

    def targets(self, stage: Stage, index: int, first: int) -> Targets | None:
        """Return the targets of a stage with this index and boundary, or None if the stage distils nothing."""
        if not stage.distillation.factor:
            return None
        if stage.distillation.of == "same":
            embed = self._embed(first)
            return lambda batch, _: embed(batch.features)
        if stage.distillation.of == "view":
            return self._of_views(index)
        clean = self.clean(self._inputs.train)
        return lambda batch, _: clean[batch.rows]

    def clean(self, dataset: Dataset) -> Floats:
        """Compute the embeddings of the images' central crops, float32 [n, E]."""
        names = [name for name in self._model.variables if not self._model.backbone.is_head(name)]
        now = self._model.tensors(names)
        self._model.assign(self._model.initial(names))
        try:
            inputs = self._inputs
            return Embedder(self._model, inputs.recipe.cache, inputs.records).embeddings(dataset.paths)
        finally:
            self._model.assign(now)

    def _of_views(self, index: int) -> Targets:
        """Return the embeddings of each epoch's augmented images, before the camera degrades them."""
        recipe = self._inputs.recipe
        kept: dict[int, Floats] = {}  # by the key of the augmentation
        embed, standardized = self._embed(0), self._model.prefix(0)

        def targets(batch: Batch, epoch: int) -> Floats:
            key = Drawing(recipe.seed, index, epoch).key(recipe.augment)
            if key not in kept:
                if recipe.augment.views is None:
                    kept.clear()
                kept[key] = self._views(key, lambda pixels: embed(standardized(pixels)), epoch)
            return kept[key][batch.rows]

        return targets

    def _views(self, key: int, embed: Callable[[tf.Tensor], tf.Tensor], epoch: int) -> Floats:
        inputs, paths = self._inputs, self._inputs.train.paths
        images = view_batches(
            paths,
            np.arange(len(paths)),
            preprocessing=self._model.preprocessing,
            augment=inputs.recipe.augment.model_copy(update={"camera": None}),
            batch_size=FILL_BATCH,
            key=key,
            checksums=[inputs.records[path].checksum for path in paths],
        )
        found = []
        for pixels in track(images, -(-len(paths) // FILL_BATCH), f"the teacher, epoch {epoch}"):
            stop_if_asked()
            found.append(embed(pixels).numpy())
        return np.concatenate(found)

    def _embed(self, first: int) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return the function from the input of unit `first` to embeddings [b, E].

        No stage has trained a unit before `first`, since boundaries only move toward the input.
        """
        model, units = self._model, slice(first, self._model.backbone.head_index)
        names = network.units_of(model.backbone, model.variables, units)
        restored = {name: tf.constant(value) for name, value in model.initial(names).items()}

        def embed(features: tf.Tensor) -> tf.Tensor:
            return network.l2_normalize(
                network.forward_pass(model.backbone, features, restored, units, precision=model.precision)
            )

        compiled: Callable[[tf.Tensor], tf.Tensor] = tf.function(embed, autograph=False, reduce_retracing=True)
        return compiled
