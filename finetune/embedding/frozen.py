"""Batches of what the frozen units give: from the store where it is kept, else computed on the way."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from itertools import chain
from pathlib import Path

import numpy as np
import PIL
import tensorflow as tf

from finetune import __version__, network
from finetune.architecture import UNITS, unit_of
from finetune.dataset import (
    Batch,
    Dataset,
    drawing_key,
    epoch_order,
    evaluation_batches,
    iterate,
    training_batches,
    view_batches,
)
from finetune.embedding.placement import Choice, choose
from finetune.embedding.store import Shelf, Store, identity
from finetune.model import Model
from finetune.progress import track
from finetune.recipe import Augment, Cache, Recipe
from finetune.runtime import WHOLE, Share

FILL_BATCH = 96
SEGMENT = 64 * 2**20
"""Bytes that are computed before they are written, at most."""
SEGMENT_SECONDS = 30.0
"""Seconds of computing before it is written: with `SEGMENT`, what a kill can cost."""


def choice(model: Model, recipe: Recipe, first: int, n_train: int, n_validation: int) -> Choice:
    """Whether the features of a stage that trains from unit `first` are kept, and where."""
    vectors = n_train * (recipe.augment.views or 1) + n_validation
    return choice_of(model, recipe.cache, first, vectors, recipe.augment.draws and not recipe.augment.views)


def choice_of(model: Model, cache: Cache, first: int, vectors: int, augmented: bool = False) -> Choice:
    """Whether so many vectors of what the units `UNITS[:first]` give are kept, and where."""
    return choose(
        cache,
        vectors=vectors,
        values=int(np.prod(network.output_shapes(*sizes(model))[first - 1])) if first else 0,
        multiply_adds=sum(network.multiply_adds(*sizes(model))[:first]),
        augmented=augmented,
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
        digests: of the bytes of each image, sha256; an image that changes meanwhile ends the run.
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
        digests: Mapping[Path, bytes],
        check: Callable[[], None] = lambda: None,
        share: Share = WHOLE,
    ) -> None:
        self._check, self._share = check, share
        self._model, self._recipe, self._stage = model, recipe, stage
        self._train, self._validation, self._digests = train, validation, digests
        self._prefix = model.prefix(first)
        self.choice = choice(model, recipe, first, len(train), len(validation))
        self._shelf: Shelf | None = None
        if self.choice.where != "off":
            views = (self._keys(train, self._drawing(epoch)) for epoch in range(1, 1 + (recipe.augment.views or 1)))
            keys = chain(chain.from_iterable(views), self._keys(validation, None))
            self._shelf = open_shelf(model, first, self.choice, keys)

    def training(self, epoch: int, order: np.ndarray | None = None, batch_size: int | None = None) -> Iterator[Batch]:
        """An epoch's batches.

        Args:
            order: its images, int64 [n]; each once and shuffled where it is not given.
            batch_size: the recipe's where it is not given.
        """
        recipe, train = self._recipe, self._train
        order = epoch_order(len(train), recipe.seed, self._stage, epoch) if order is None else order
        batch_size = batch_size or recipe.batch_size
        if self._shelf is not None:
            return self._kept(train, self._drawing(epoch), order, batch_size)
        images = training_batches(
            train,
            preprocessing=self._model.preprocessing,
            augment=recipe.augment,
            batch_size=batch_size,
            seed=recipe.seed,
            stage=self._stage,
            epoch=epoch,
            share=self._share,
            order=order,
            digests=self._digests_of(train.paths),
        )
        batches = zip(iterate(images), _labelled(train, order, batch_size), strict=True)
        return (Batch(self._prefix(pixels), *labelled) for (pixels, _), labelled in batches)

    def validation(self) -> Iterator[Batch]:
        """The held-back batches, in order."""
        held_back, order = self._validation, np.arange(len(self._validation))
        if self._shelf is not None:
            return self._kept(held_back, None, order, self._recipe.batch_size)
        rows, size = self._share.of(order, self._recipe.batch_size)
        paths = [held_back.paths[row] for row in rows]
        preprocessing, digests = self._model.preprocessing, self._digests_of(paths)
        batches = evaluation_batches(paths, preprocessing=preprocessing, batch_size=size, digests=digests)
        labelled = zip(iterate(batches), _labelled(held_back, order, self._recipe.batch_size), strict=True)
        return (Batch(self._prefix(pixels), *labels) for pixels, labels in labelled)

    def _digests_of(self, paths: Sequence[Path]) -> list[bytes]:
        return [self._digests[path] for path in paths]

    def _drawing(self, epoch: int) -> int | None:
        """The key of what an epoch draws, None where it draws nothing."""
        recipe = self._recipe
        return drawing_key(recipe.augment, recipe.seed, self._stage, epoch) if recipe.augment.draws else None

    def _keys(self, dataset: Dataset, drawing: int | None) -> list[bytes]:
        """The shelf's key of each image: its digest, or that of all that decides what was drawn of it."""
        digests = self._digests_of(dataset.paths)
        if drawing is None:
            return digests
        drawn = repr((drawing, sorted(self._recipe.augment.to_value().items())))
        return [hashlib.sha256(f"{drawn} {index}".encode() + digest).digest() for index, digest in enumerate(digests)]

    def _kept(self, dataset: Dataset, drawing: int | None, order: np.ndarray, batch_size: int) -> Iterator[Batch]:
        assert self._shelf is not None
        shelf, keys = self._shelf, self._keys(dataset, drawing)
        rows, size = self._share.of(order, batch_size)
        self._keep(dataset, drawing, keys, np.sort(rows))
        place = {keys[row]: row for row in rows}

        def compute(damaged: list[bytes]) -> None:
            self._keep(dataset, drawing, keys, np.array([place[key] for key in damaged]))

        batches = (
            shelf.read([keys[row] for row in rows[start : start + size]], compute)
            for start in range(0, len(rows), size)
        )
        labelled = zip(batches, _labelled(dataset, order, batch_size), strict=True)
        return (Batch(tf.constant(features), *labels) for features, labels in labelled)

    def _keep(self, dataset: Dataset, drawing: int | None, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Computes what the shelf lacks of these rows; each image once, however often it is there."""
        assert self._shelf is not None
        if any(keys[row] not in self._shelf for row in rows):
            self._shelf.refresh()  # other workers and other runs compute too
        missing = list({keys[row]: row for row in rows if keys[row] not in self._shelf}.values())
        batches = view_batches(
            dataset.paths,
            np.array(missing, np.int64),
            preprocessing=self._model.preprocessing,
            augment=Augment() if drawing is None else self._recipe.augment,
            batch_size=FILL_BATCH,
            key=drawing or 0,
            digests=self._digests_of(dataset.paths),
        )
        fill(self._shelf, self._prefix, [keys[index] for index in missing], batches, self._check)


def _labelled(dataset: Dataset, order: np.ndarray, size: int) -> Iterator[tuple[tf.Tensor, np.ndarray]]:
    """The labels and rows of each batch, of all its images."""
    batches = (order[start : start + size] for start in range(0, len(order), size))
    return ((tf.constant(dataset.labels[rows]), rows) for rows in batches)


def fill(
    shelf: Shelf,
    forward: Callable[[tf.Tensor], tf.Tensor],
    keys: Sequence[bytes],
    batches: tf.data.Dataset,
    check: Callable[[], None] = lambda: None,
    what: str = "computing features",
) -> None:
    """Compute what a shelf lacks, and keep it in segments; what ends this early loses nothing that was computed.

    Args:
        forward: gives a batch's vectors.
        keys: one per image of `batches`.
        batches: of `FILL_BATCH` images.
        check: called before each batch; may raise to end there.
        what: what to call the work while it goes on.
    """
    computed: list[tuple[Sequence[bytes], np.ndarray]] = []

    def keep() -> None:
        shelf.add([key for of, _ in computed for key in of], np.concatenate([vectors for _, vectors in computed]))
        computed.clear()

    written = time.monotonic()
    starts = range(0, len(keys), FILL_BATCH)
    try:
        for start, pixels in track(zip(starts, iterate(batches), strict=True), len(keys), what, FILL_BATCH):
            check()
            computed.append((keys[start : start + FILL_BATCH], forward(pixels).numpy()))
            full = sum(vectors.nbytes for _, vectors in computed) >= SEGMENT
            if full or time.monotonic() - written >= SEGMENT_SECONDS:
                keep()
                written = time.monotonic()
    finally:
        if computed:
            keep()


def sizes(model: Model) -> tuple[int, int, int]:
    """Values of an embedding, classes (0 without a head) and pixels of a side: what shapes and costs follow from."""
    return model.embedding_size, model.num_classes or 0, model.preprocessing.image_size


def open_shelf(model: Model, first: int, choice: Choice, keys: Iterable[bytes]) -> Shelf:
    """The shelf for what the units `UNITS[:first]` give, in memory or in the store as was chosen."""
    if choice.where == "memory":
        return Shelf(None, network.output_shapes(*sizes(model))[first - 1])
    return shelf(model, first, set(keys))


def shelf(model: Model, first: int, keys: Collection[bytes]) -> Shelf:
    """The shelf in the store for what the units `UNITS[:first]` give; it is to hold these keys."""
    return Store().shelf(_name(model, first), network.output_shapes(*sizes(model))[first - 1], keys)


def stored(model: Model, first: int) -> Shelf:
    """Return what the store holds of what the units `UNITS[:first]` give, to be looked at: no room is made for more."""
    return Shelf(Store().folder / _name(model, first), network.output_shapes(*sizes(model))[first - 1])


def _name(model: Model, first: int) -> str:
    """Return the name of the shelf: a digest of all that its vectors depend on."""
    frozen = [name for name in model.variables if UNITS.index(unit_of(name) or "") < first]
    return identity(
        model.digests(frozen),
        cut=UNITS[first],
        image_size=model.preprocessing.image_size,
        standardization=model.preprocessing.standardization,
        precision=model.precision,
        versions=[__version__, tf.__version__, PIL.__version__],
        runtime=model.runtime if model.runtime == "tensorflow" else [model.runtime, metadata.version(model.runtime)],
        onednn=os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
        device=[device.device_type for device in tf.config.list_physical_devices()],
    )
