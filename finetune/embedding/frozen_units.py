"""The frozen units of a model and the cache entry for their output."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.embedding.cache import Entry, VectorCache, entry_name
from finetune.embedding.placement import Choice, choose
from finetune.interruption import stop_if_asked
from finetune.progress import track

if TYPE_CHECKING:
    from finetune.model import EmbeddingModel
    from finetune.recipe import Cache, Recipe

FILL_BATCH = 96
"""Images per batch that is decoded and computed."""
SEGMENT = 64 * 2**20
"""Largest number of bytes that are computed before they are written."""
SEGMENT_SECONDS = 30.0
"""Seconds of computing before the vectors are written. With `SEGMENT`, it bounds what a kill can cost."""


class FrozenUnits:
    """The units of a model before index `first`, which must not change while this object is used.

    Args:
        model: model with these units.
        cache: value of the recipe key `cache`: whether and where the features are kept.
        first: index of the unit that takes the features.
    """

    def __init__(self, model: EmbeddingModel, cache: Cache, first: int) -> None:
        self.model, self.first = model, first
        self._cache = cache
        self._on_disk: Entry | None = None

    def where(self, vectors: int) -> str:
        """Return where this number of vectors would be kept: `off`, `memory` or `disk`."""
        return choice_of(self.model, self._cache, self.first, vectors).where

    def forward(self) -> Callable[[Any], Any]:
        """Return the function from pixels, uint8 [b, s, s, c], to the input of unit `first`, float32 [b, ...]."""
        return self.model.prefix(self.first)

    def open(self, where: str, keys: Collection[bytes]) -> Entry:
        """Return the entry for these keys. One on disk is opened again only if it lacks some of them."""
        if where == "memory":
            return self._in_memory
        entry = self._on_disk
        if entry is None or (entry.folder is not None and any(key not in entry for key in keys)):
            entry = VectorCache().entry(self._name, self.model.shape_before(self.first), keys)
        self._on_disk = entry
        return entry

    def fill(self, entry: Entry, images: Iterable[Any], *sides: Sequence[bytes], wanted: Collection[bytes]) -> None:
        """Compute vectors and keep them in segments. An interruption or error loses no computed vector.

        Args:
            entry: cache entry that keeps the vectors.
            images: batches of `FILL_BATCH` images, uint8 [b, s, s, c].
            sides: one key per image; optionally, also one key per mirror image.
            wanted: keys whose vectors are computed.
        """
        waiting: list[tuple[list[bytes], np.ndarray]] = []
        written = time.monotonic()

        def keep() -> None:
            entry.add([key for keys, _ in waiting for key in keys], np.concatenate([rows for _, rows in waiting]))
            waiting.clear()

        try:
            for part in self._computed(images, sides, set(wanted)):
                waiting.append(part)
                full = sum(vectors.nbytes for _, vectors in waiting) >= SEGMENT
                if full or time.monotonic() - written >= SEGMENT_SECONDS:
                    keep()
                    written = time.monotonic()
        finally:
            if waiting:
                keep()

    def _computed(
        self, images: Iterable[Any], sides: Sequence[Sequence[bytes]], wanted: set[bytes]
    ) -> Iterator[tuple[list[bytes], np.ndarray]]:
        """Yield keys and their vectors, [b, ...], batch by batch."""
        forward, n = self.forward(), len(sides[0])
        batches = zip(range(0, n, FILL_BATCH), images, strict=True)
        for start, pixels in track(batches, n, "computing features", FILL_BATCH):
            stop_if_asked()
            for mirrored, keys in enumerate(sides):
                of = keys[start : start + FILL_BATCH]
                rows = [row for row, key in enumerate(of) if key in wanted]
                if rows:
                    chosen = pixels if len(rows) == len(of) else np.asarray(pixels)[rows]
                    yield [of[row] for row in rows], np.asarray(forward(flipped(chosen) if mirrored else chosen))

    @functools.cached_property
    def _name(self) -> str:
        return name_of(self.model, self.first)

    @functools.cached_property
    def _in_memory(self) -> Entry:
        return Entry(None, self.model.shape_before(self.first))


def flipped(pixels: Any) -> Any:
    """Return the mirror images of pixels [b, h, w, c]."""
    return pixels[:, :, ::-1]


def choice(model: EmbeddingModel, recipe: Recipe, first: int, n_train: int, n_validation: int) -> Choice:
    """Decide whether and where to keep the features of a stage that trains from unit `first`."""
    vectors = n_train * (recipe.augment.views or 1) + n_validation
    return choice_of(model, recipe.cache, first, vectors, augmented=recipe.augment.draws and not recipe.augment.views)


def choice_of(model: EmbeddingModel, cache: Cache, first: int, vectors: int, *, augmented: bool = False) -> Choice:
    """Decide whether and where to keep this number of vectors from the units before `first`."""
    return choose(
        cache,
        vectors=vectors,
        values=int(np.prod(model.shape_before(first))) if first else 0,
        multiply_adds=sum(model.multiply_adds()[:first]),
        augmented=augmented,
        disk_room=VectorCache().room(),
    )


def name_of(model: EmbeddingModel, first: int) -> str:
    """Return the name of the cache entry for the units before `first`: a digest of all that it depends on."""
    frozen = [name for name in model.names if model.backbone.index_of(name) < first]
    return entry_name(
        model.digests(frozen),
        cut=model.backbone.names[first],
        image_size=model.preprocessing.image_size,
        standardization=model.preprocessing.standardization,
        **model.preprocessing.of_channels,
        precision=model.precision,
        **model.computed_by,
    )


def stored_entry(model: EmbeddingModel, first: int) -> Entry:
    """Return the cache entry for the units before `first`, for reading only: no other entry is removed."""
    return Entry(VectorCache().folder / name_of(model, first), model.shape_before(first))
