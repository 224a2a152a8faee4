"""Batches of what the frozen units give: from the store where it is kept, else computed on the way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import PIL
import tensorflow as tf

from finetune import network
from finetune.architecture import UNITS, unit_of
from finetune.dataset.pipeline import epoch_order, evaluation_batches, iterate, training_batches
from finetune.dataset.scan import Dataset
from finetune.dataset.share import WHOLE, Share
from finetune.features.choice import Choice, choose
from finetune.features.store import Shelf, Store, identity, image_digest
from finetune.model import Model
from finetune.progress import track
from finetune.recipe import Augment, Recipe

FILL_BATCH = 64
SEGMENT = 64 * 2**20
"""Bytes that are computed before they are written: what a kill can cost."""


def choice(model: Model, recipe: Recipe, first: int, images: int) -> Choice:
    """Whether the features of a stage that trains from unit `first` are kept, and where."""
    sizes = _sizes(model)
    return choose(
        recipe.cache,
        images=images,
        values=int(np.prod(network.output_shapes(*sizes)[first - 1])) if first else 0,
        multiply_adds=sum(network.multiply_adds(*sizes)[:first]),
        augmented=recipe.augment != Augment(),
        disk_room=Store().room(),
    )


class FrozenFeatures:
    """What the units before a stage's boundary give for its images.

    Args:
        model: its frozen units must not change as long as this is used.
        recipe: batch size, seed and augmentation.
        first: index in `UNITS` of the first unit that trains.
        stage: its number, for the order of the images.
        train, validation: the stage's images.
        check: called before each batch that is computed to be kept; may raise to end the run there.
        share: of each batch, the images whose features are wanted here; the labels are always the whole batch's.
    """

    def __init__(
        self,
        model: Model,
        recipe: Recipe,
        first: int,
        stage: int,
        train: Dataset,
        validation: Dataset,
        check: Callable[[], None] = lambda: None,
        share: Share = WHOLE,
    ) -> None:
        self._check, self._share = check, share
        self._model, self._recipe, self._stage = model, recipe, stage
        self._train, self._validation = train, validation
        self._prefix = model.prefix(first)
        self.choice = choice(model, recipe, first, len(train) + len(validation))
        self._shelf: Shelf | None = None
        self._keys: dict[Path, bytes] = {}
        if self.choice.where != "off":
            self._keys = {path: image_digest(path) for path in (*train.paths, *validation.paths)}
            self._shelf = _shelf(model, first, self.choice, self._keys.values())

    def training(self, epoch: int) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """An epoch's batches: (features [b, ...], labels int64 [b])."""
        recipe, train = self._recipe, self._train
        order, _ = epoch_order(len(train), recipe.seed, self._stage, epoch)
        if self._shelf is not None:
            return self._kept(train, order)
        images = training_batches(
            train,
            preprocessing=self._model.preprocessing,
            augment=recipe.augment,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            stage=self._stage,
            epoch=epoch,
            share=self._share,
        )
        batches = zip(iterate(images), self._labels(train, order), strict=True)
        return ((self._prefix(pixels), labels) for (pixels, _), labels in batches)

    def validation(self) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """The held-back batches, in order."""
        held_back, order = self._validation, np.arange(len(self._validation))
        if self._shelf is not None:
            return self._kept(held_back, order)
        rows, size = self._share.of(order, self._recipe.batch_size)
        paths = [held_back.paths[row] for row in rows]
        batches = evaluation_batches(paths, preprocessing=self._model.preprocessing, batch_size=size)
        labelled = zip(iterate(batches), self._labels(held_back, order), strict=True)
        return ((self._prefix(pixels), labels) for pixels, labels in labelled)

    def _kept(self, dataset: Dataset, order: np.ndarray) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        assert self._shelf is not None
        shelf, (rows, size) = self._shelf, self._share.of(order, self._recipe.batch_size)
        keys = [self._keys[dataset.paths[row]] for row in rows]
        # In the dataset's order, in which segments were always written.
        self._keep([dataset.paths[row] for row in np.sort(rows)])
        batches = (shelf.read(keys[start : start + size]) for start in range(0, len(keys), size))
        labelled = zip(batches, self._labels(dataset, order), strict=True)
        return ((tf.constant(features), labels) for features, labels in labelled)

    def _labels(self, dataset: Dataset, order: np.ndarray) -> Iterator[tf.Tensor]:
        """The labels of each batch, of all its images."""
        size = self._recipe.batch_size
        return (tf.constant(dataset.labels[order[start : start + size]]) for start in range(0, len(order), size))

    def _keep(self, paths: Sequence[Path]) -> None:
        """Computes what the shelf does not hold yet; each image file once, however often it is there."""
        assert self._shelf is not None
        if any(self._keys[path] not in self._shelf for path in paths):
            self._shelf.refresh()  # other workers and other runs compute too
        missing = list({self._keys[path]: path for path in paths if self._keys[path] not in self._shelf}.values())
        batches = evaluation_batches(missing, preprocessing=self._model.preprocessing, batch_size=FILL_BATCH)
        keys: list[bytes] = []
        rows: list[np.ndarray] = []
        starts = range(0, len(missing), FILL_BATCH)
        tracked = track(zip(starts, iterate(batches), strict=True), len(missing), "computing features", FILL_BATCH)
        for start, pixels in tracked:
            self._check()
            rows.append(self._prefix(pixels).numpy())
            keys += [self._keys[path] for path in missing[start : start + FILL_BATCH]]
            if sum(row.nbytes for row in rows) >= SEGMENT or start + FILL_BATCH >= len(missing):
                self._shelf.add(keys, np.concatenate(rows))
                keys, rows = [], []


def _sizes(model: Model) -> tuple[int, int, int]:
    return model.embedding_size, model.num_classes or 0, model.preprocessing.image_size


def _shelf(model: Model, first: int, choice: Choice, keys: Collection[bytes]) -> Shelf:
    shape = network.output_shapes(*_sizes(model))[first - 1]
    if choice.where == "memory":
        return Shelf(None, shape)
    frozen = [name for name in model.variables if UNITS.index(unit_of(name) or "") < first]
    name = identity(
        model.digests(frozen),
        cut=UNITS[first],
        image_size=model.preprocessing.image_size,
        standardization=model.preprocessing.standardization,
        view="central crop",
        versions=[tf.__version__, PIL.__version__],
        device=[device.device_type for device in tf.config.list_physical_devices()],
    )
    return Store().shelf(name, shape, keys)
