"""The embedder of images through the feature cache, which computes each vector only once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from finetune.dataset import EvaluationBatches
from finetune.embedding.frozen_units import FILL_BATCH, FrozenUnits, flipped
from finetune.errors import Problem, RunError
from finetune.images import ImageRecord, Pixels, hash_image
from finetune.interruption import stop_if_asked
from finetune.model import unit

if TYPE_CHECKING:
    from finetune.model import EmbeddingModel
    from finetune.recipe import Cache

Vectors = npt.NDArray[np.float32]
ONE_SIDE, BOTH_SIDES = (False,), (False, True)
"""The views of an image that are embedded; True is the mirror image."""


class Embedder:
    """An embedder of centrally cropped images that reads and fills the feature cache.

    Images with the same bytes are computed once. By default the cache keeps prelogits. A stage that trains only the
    head uses them too, so embeddings and such stages share their vectors.

    Args:
        model: model whose units before `first` do not change while this object is used.
        cache: value of the recipe key `cache`: whether and where the features are kept.
        records: records of files that were already inspected. Other files are hashed when they are embedded.
        first: index of the unit that takes the kept features; by default, the head.
        rest: function from the features [b, ...] to prelogits [b, E], called for each batch.

    Attributes:
        units: units before `first`.
        records: records of inspected files.
    """

    def __init__(
        self,
        model: EmbeddingModel,
        cache: Cache = "auto",
        records: Mapping[Path, ImageRecord] | None = None,
        *,
        first: int | None = None,
        rest: Callable[[Any], Vectors] = np.asarray,
    ) -> None:
        self.units = FrozenUnits(model, cache, model.backbone.head_index if first is None else first)
        self.records = records or {}
        self._rest = rest

    def embeddings(self, images: Sequence[Path | Pixels], *, flip: bool = False) -> Vectors:
        """Compute embeddings of unit length.

        Args:
            images: readable files, or pixels [s, s, c] of the network's input size, whose features are not kept.
            flip: whether to append the embedding of the mirror image.

        Returns:
            Embeddings, float32 [n, E], in the order of the images; [n, 2E] with `flip`.

        Raises:
            RunError: a file can no longer be read, or has changed since its inspection.
        """
        batches = ([unit(self._rest(side)) for side in sides] for sides in self.features(images, flip=flip))
        nothing = np.empty([0, self.units.model.embedding_size * (2 if flip else 1)], np.float32)
        return np.concatenate([nothing, *(np.concatenate(sides, axis=1) for sides in batches)])

    def prelogits(self, images: Sequence[Path | Pixels]) -> Vectors:
        """Compute the prelogits, float32 [n, E]: embeddings before normalization, and the input of a classifier."""
        nothing = np.empty([0, self.units.model.embedding_size], np.float32)
        return np.concatenate([nothing, *(self._rest(features) for (features,) in self.features(images))])

    def features(self, images: Sequence[Path | Pixels], *, flip: bool = False) -> Iterator[tuple[Any, ...]]:
        """Yield the input of unit `first`, float32 [b, ...], batch by batch; with `flip`, also for mirror images."""
        sides = BOTH_SIDES if flip else ONE_SIDE
        paths = [image for image in images if isinstance(image, Path)]
        if len(paths) < len(images):
            pixels = [np.asarray(image) for image in images]
            starts = range(0, len(pixels), FILL_BATCH)
            yield from self._computed((np.stack(pixels[start : start + FILL_BATCH]) for start in starts), sides)
            return
        where = self.units.where(len(sides) * len(paths))
        if where == "off":
            known = all(path in self.records for path in paths)
            records = [self.records[path] for path in paths] if known else None
            yield from self._computed(self._pixels(paths, records), sides)
            return
        records = [self._record(path) for path in paths]
        keys = [[key_of(record, mirrored=mirrored) for record in records] for mirrored in sides]
        entry = self.units.open(where, set(chain(*keys)))

        def compute(wanted: Collection[bytes]) -> None:
            asked = set(wanted)
            lacking = (record for record, *of in zip(records, *keys, strict=True) if not asked.isdisjoint(of))
            new = list({record.digest: record for record in lacking}.values())
            images = self._pixels([record.path for record in new], new)
            each = ([key_of(record, mirrored=mirrored) for record in new] for mirrored in sides)
            self.units.fill(entry, images, *each, wanted=wanted)

        if missing := [key for key in chain(*keys) if key not in entry]:
            compute(missing)
        for start in range(0, len(paths), FILL_BATCH):
            yield tuple(entry.read(side[start : start + FILL_BATCH], compute) for side in keys)

    def _computed(self, batches: Iterable[Pixels], sides: Sequence[bool]) -> Iterator[tuple[Any, ...]]:
        """Yield the input of unit `first` without keeping it."""
        forward = self.units.forward()
        for pixels in batches:
            stop_if_asked()
            yield tuple(forward(flipped(pixels) if mirrored else pixels) for mirrored in sides)

    def _record(self, path: Path) -> ImageRecord:
        record = self.records.get(path) or hash_image(path)
        if record.fault:
            advice = "it could be read when the run began: put it back and resume"
            raise RunError(Problem(path, record.fault.reason, advice))
        return record

    def _pixels(self, paths: Sequence[Path], records: Sequence[ImageRecord] | None) -> EvaluationBatches:
        return EvaluationBatches(
            paths,
            preprocessing=self.units.model.preprocessing,
            batch_size=FILL_BATCH,
            checksums=None if records is None else [record.checksum for record in records],
        )


def key_of(record: ImageRecord, *, mirrored: bool) -> bytes:
    """Return the cache key of an image or of its mirror image."""
    return hashlib.sha256(b"flipped" + record.digest).digest() if mirrored else record.digest
