"""Batches of frozen features, read from the cache or computed on the fly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import tensorflow as tf

from finetune.dataset import (
    Batch,
    Dataset,
    Drawing,
    EvaluationBatches,
    training_batches,
    view_batches,
)
from finetune.embedding.cache import Entry
from finetune.embedding.embedder import Embedder
from finetune.embedding.frozen_units import FILL_BATCH, choice
from finetune.recipe import Augment, Recipe
from finetune.runtime import WHOLE, Share


class FrozenFeatures:
    """The output of the units before a stage's boundary for the stage's images.

    Args:
        embedder: embedder with the stage's boundary. An image that changes after its inspection ends the run.
        recipe: recipe, for batch size, seed and augmentation.
        stage: number of the stage, which affects the order of the images.
        train, validation: images of the stage.
        share: share of each batch whose features this process needs. Labels are always those of the whole batch.
    """

    def __init__(
        self,
        embedder: Embedder,
        recipe: Recipe,
        stage: int,
        train: Dataset,
        validation: Dataset,
        share: Share = WHOLE,
    ) -> None:
        self._units, self._records, self._share = embedder.units, embedder.records, share
        self._recipe, self._stage = recipe, stage
        self._train, self._validation = train, validation
        self._preprocessing = self._units.model.preprocessing
        self._forward = self._units.forward()
        self.choice = choice(self._units.model, recipe, self._units.first, len(train), len(validation))
        self._entry: Entry | None = None
        if self.choice.where != "off":
            views = (self._keys(train, self._drawing(epoch)) for epoch in range(1, 1 + (recipe.augment.views or 1)))
            keys = {*chain.from_iterable(views), *self._keys(validation, None)}
            self._entry = self._units.open(self.choice.where, keys)

    def training(self, epoch: int, order: np.ndarray | None = None, batch_size: int | None = None) -> Iterator[Batch]:
        """Return an epoch's batches.

        Args:
            epoch: number of the epoch.
            order: rows of its images, int64 [n]; by default each image once, shuffled.
            batch_size: images per batch; by default the recipe's.
        """
        recipe, train = self._recipe, self._train
        drawing = Drawing(recipe.seed, self._stage, epoch)
        order = drawing.order(len(train)) if order is None else order
        batch_size = batch_size or recipe.batch_size
        if self._entry is not None:
            return self._kept(train, self._drawing(epoch), order, batch_size)
        rows, size = self._share.of(order, batch_size)
        images = training_batches(
            train,
            drawing,
            preprocessing=self._preprocessing,
            augment=recipe.augment,
            batch_size=size,
            order=rows,
            checksums=self._checksums(train.paths),
        )
        batches = zip(images, _labelled(train, order, batch_size), strict=True)
        return (Batch(self._forward(pixels), *labelled) for (pixels, _), labelled in batches)

    def validation(self) -> Iterator[Batch]:
        """Return the held-back batches, in order."""
        held_back, order = self._validation, np.arange(len(self._validation))
        if self._entry is not None:
            return self._kept(held_back, None, order, self._recipe.batch_size)
        rows, size = self._share.of(order, self._recipe.batch_size)
        paths = [held_back.paths[row] for row in rows]
        batches = EvaluationBatches(
            paths, preprocessing=self._preprocessing, batch_size=size, checksums=self._checksums(paths)
        )
        labelled = zip(batches, _labelled(held_back, order, self._recipe.batch_size), strict=True)
        return (Batch(self._forward(pixels), *labels) for pixels, labels in labelled)

    def _checksums(self, paths: Sequence[Path]) -> list[int]:
        return [self._records[path].checksum for path in paths]

    def _drawing(self, epoch: int) -> int | None:
        """Return the key of an epoch's random augmentation, or None without augmentation."""
        recipe = self._recipe
        return Drawing(recipe.seed, self._stage, epoch).key(recipe.augment) if recipe.augment.draws else None

    def _keys(self, dataset: Dataset, drawing: int | None) -> list[bytes]:
        """Return each image's cache key: its digest, or a digest of the image and its random augmentation."""
        digests = [self._records[path].digest for path in dataset.paths]
        if drawing is None:
            return digests
        drawn = repr((drawing, sorted(self._recipe.augment.to_value().items())))
        return [hashlib.sha256(f"{drawn} {index}".encode() + digest).digest() for index, digest in enumerate(digests)]

    def _kept(self, dataset: Dataset, drawing: int | None, order: np.ndarray, batch_size: int) -> Iterator[Batch]:
        assert self._entry is not None
        entry, keys = self._entry, self._keys(dataset, drawing)
        rows, size = self._share.of(order, batch_size)
        self._keep(dataset, drawing, keys, np.sort(rows))
        place = {keys[row]: row for row in rows}

        def compute(damaged: list[bytes]) -> None:
            self._keep(dataset, drawing, keys, np.array([place[key] for key in damaged]))

        batches = (
            entry.read([keys[row] for row in rows[start : start + size]], compute)
            for start in range(0, len(rows), size)
        )
        labelled = zip(batches, _labelled(dataset, order, batch_size), strict=True)
        return (Batch(tf.constant(features), *labels) for features, labels in labelled)

    def _keep(self, dataset: Dataset, drawing: int | None, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Compute the vectors of these rows that the cache lacks, once per distinct image."""
        assert self._entry is not None
        if any(keys[row] not in self._entry for row in rows):
            self._entry.refresh()  # other workers and other runs add vectors too
        missing = list({keys[row]: row for row in rows if keys[row] not in self._entry}.values())
        if not missing:
            return
        images = view_batches(
            dataset.paths,
            np.array(missing, np.int64),
            preprocessing=self._preprocessing,
            augment=Augment() if drawing is None else self._recipe.augment,
            batch_size=FILL_BATCH,
            key=drawing or 0,
            checksums=self._checksums(dataset.paths),
        )
        wanted = [keys[row] for row in missing]
        self._units.fill(self._entry, images, wanted, wanted=wanted)


def _labelled(dataset: Dataset, order: np.ndarray, size: int) -> Iterator[tuple[tf.Tensor, np.ndarray]]:
    """Return the labels and rows of each whole batch."""
    batches = (order[start : start + size] for start in range(0, len(order), size))
    return ((tf.constant(dataset.labels[rows]), rows) for rows in batches)
