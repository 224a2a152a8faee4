"""What a run measures: on LFW, on strangers and on those who are learned, by way of the store of features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from finetune import checkpoint as checkpoints
from finetune import network
from finetune.dataset import Dataset
from finetune.embedding import CentralFeatures, unit
from finetune.errors import DataError, RunError
from finetune.model import LOGITS, is_head
from finetune.record import Curve, CurvePoint, HeldBack, by_nearest_mean, finite
from finetune.runs.opening import Inputs
from finetune.training import Trainer
from finetune.verification import LFWResult


class Measures:
    """The measurements of one run.

    Args:
        inputs: its model is the one that is measured.
        check: called before each measurement and after; may raise to end the run there.

    Attributes:
        curve: what is measured on strangers; None where the recipe asks for none.
    """

    def __init__(self, inputs: Inputs, check: Callable[[], None]) -> None:
        self._inputs, self._model, self._check = inputs, inputs.model, check
        self._cache = inputs.recipe.cache
        strangers = inputs.strangers
        self.curve = Curve(inputs.recipe, inputs.train, inputs.validation, strangers) if strangers else None

    def lfw(self) -> LFWResult | None:
        """LFW with the weights as they stand; None where no pairs were given.

        Raises:
            RunError: an image can no longer be read, or the embeddings are no numbers.
        """
        return self._measured(self._inputs.measure)

    def lfw_of(self, trainer: Trainer | None) -> LFWResult | None:
        """Likewise in a stage (None: before the first one): what its frozen units give is taken from the store.

        Raises:
            NotFinite: the embeddings are no numbers.
            RunError: an image can no longer be read.
        """
        if self._inputs.strategy.workers > 1:
            return self.lfw()
        first = trainer.first if trainer else LOGITS
        suffix = trainer.embed if trainer else unit

        def embed(paths: Sequence[Path], flip: bool) -> np.ndarray:
            sides = [self._features(first, paths, side) for side in ((False, True) if flip else (False,))]
            return finite(np.concatenate([side.embed(suffix) for side in sides], axis=1))

        return self._measured(lambda: self._inputs.measure(embed))

    def points_of(self, trainer: Trainer) -> Callable[[], CurvePoint] | None:
        """Measures what strangers and the learned are to the model, as often as asked; None without strangers."""
        return self.curve.at(self._model, trainer, self._check) if self.curve else None

    def restored_point(self) -> CurvePoint | None:
        """Likewise to the restored checkpoint."""
        return self.curve.point(self.restored_embeddings) if self.curve else None

    def restored_held_back(self, point: CurvePoint | None) -> HeldBack | None:
        """Name the held-back images by the nearest class mean on the restored checkpoint's embeddings.

        Args:
            point: the restored checkpoint's, whose answers are taken where it has them.

        Returns:
            None where nothing is held back.
        """
        train, held_back = self._inputs.train, self._inputs.validation
        if point and point.learned:
            return HeldBack(point.learned.correct)
        if not len(held_back):
            return None
        gallery, probes = (finite(self.restored_embeddings(dataset)) for dataset in (train, held_back))
        return by_nearest_mean(gallery, train.labels, probes, held_back.labels)

    def held_back(self, trainer: Trainer) -> HeldBack | None:
        """Name the held-back images by the classifier of a stage; None where nothing is held back."""
        held_back = self._inputs.validation
        if not len(held_back):
            return None

        # Several workers' trainers compute together; each worker names all images by itself.
        alone = self._inputs.strategy.workers == 1
        first, prelogits = (trainer.first, trainer.prelogits) if alone else (LOGITS, np.asarray)

        def named(features: tf.Tensor) -> np.ndarray:
            logits = network.forward(tf.constant(prelogits(features)), self._model.variables, LOGITS, LOGITS + 1)
            return np.argmax(logits, 1)

        return HeldBack(self._features(first, held_back.paths).embed(named) == held_back.labels)

    def prelogits(self, dataset: Dataset, trainer: Trainer | None = None) -> np.ndarray:
        """Those of a dataset's images by the weights as they stand, float32 [n, E].

        Args:
            trainer: of the stage whose frozen units' features are to be used.
        """
        suffix = trainer.prelogits if trainer else np.asarray
        return self._features(trainer.first if trainer else LOGITS, dataset.paths).embed(suffix)

    def embeddings(self, dataset: Dataset) -> np.ndarray:
        """Embeddings of a dataset's images by the weights as they stand, rows of unit length."""
        return unit(self.prelogits(dataset))

    def restored_embeddings(self, dataset: Dataset) -> np.ndarray:
        """Embeddings of a dataset's images by the restored checkpoint, whatever the model has learned since."""
        source = checkpoints.read(self._model.source)
        names = [name for name in self._model.variables if not is_head(name)]
        now = self._model.tensors(names)
        self._model.assign(source.tensors(names))
        try:
            return self.embeddings(dataset)
        finally:
            self._model.assign(now)

    def _features(self, first: int, paths: Sequence[Path], flip: bool = False) -> CentralFeatures:
        return CentralFeatures(self._model, first, paths, flip=flip, cache=self._cache, check=self._check)

    def _measured(self, measure: Callable[[], LFWResult | None]) -> LFWResult | None:
        self._check()
        try:
            result = measure()
        except DataError as error:
            raise RunError(*error.within("LFW could not be measured", "what was finished before stands")) from error
        self._check()
        return result
