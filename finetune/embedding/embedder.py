"""The one way from images to vectors that are kept: each is computed once, by whoever comes first."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from finetune import network
from finetune.dataset import ImageBatches, evaluation_batches
from finetune.embedding.cache import Entry
from finetune.embedding.entries import FILL_BATCH, choice_of, fill, name_of, open_entry, shape_of
from finetune.errors import Problem, RunError
from finetune.images import ImageRecord, Pixels, hash_image
from finetune.model import LOGITS, Model
from finetune.progress import track
from finetune.recipe import Cache

Vectors = npt.NDArray[np.float32]
ONE_SIDE, BOTH_SIDES = (False,), (False, True)
"""Whether an image is mirrored, of each vector that is computed of it."""


class Embedder:
    """Computes vectors of images, cropped centrally, by way of the cache of what the first units give.

    Images of the same bytes are computed once. What is kept by default are prelogits: a stage that trains the head
    alone takes them too, so that a run computes nothing that was embedded before, and the other way round.

    Args:
        model: its units before `first` must not change as long as this is used.
        cache: whether what these units give is kept, and where, as a recipe says it.
        records: of the files that were inspected already; others are hashed when they are embedded.
        first: index of the unit that takes what is kept.
        rest: what unit `first` takes, [b, ...], to prelogits [b, E]; called anew for each batch.
        check: called before each batch that is computed; may raise to end there.
    """

    def __init__(
        self,
        model: Model,
        cache: Cache = "auto",
        records: Mapping[Path, ImageRecord] | None = None,
        *,
        first: int = LOGITS,
        rest: Callable[[tf.Tensor], Vectors] = np.asarray,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._model, self._cache, self._records = model, cache, records or {}
        self._first, self._rest, self._check = first, rest, check
        self._entry: Entry | None = None

    def embeddings(self, images: Sequence[Path | Pixels], *, flip: bool = False) -> Vectors:
        """Compute embeddings of unit length.

        Args:
            images: files that can be read; or pixels [s, s, 3] as large as the network takes, which are not kept.
            flip: append the embedding of the mirror image.

        Returns:
            float32 [n, E], in the order of the images; [n, 2E] with `flip`.

        Raises:
            RunError: a file can no longer be read, or has changed since it was inspected.
        """
        batches = ([unit(self._rest(side)) for side in sides] for sides in self.features(images, flip=flip))
        nothing = np.empty([0, self._model.embedding_size * (2 if flip else 1)], np.float32)
        return np.concatenate([nothing, *(np.concatenate(sides, axis=1) for sides in batches)])

    def prelogits(self, images: Sequence[Path | Pixels]) -> Vectors:
        """Compute what `embeddings` brings to unit length, and a classifier takes: float32 [n, E]."""
        nothing = np.empty([0, self._model.embedding_size], np.float32)
        return np.concatenate([nothing, *(self._rest(features) for (features,) in self.features(images))])

    def features(self, images: Sequence[Path | Pixels], *, flip: bool = False) -> Iterator[tuple[tf.Tensor, ...]]:
        """Yield what unit `first` takes, float32 [b, ...], batch by batch; with `flip` of the mirror images too."""
        sides = BOTH_SIDES if flip else ONE_SIDE
        paths = [image for image in images if isinstance(image, Path)]
        if len(paths) < len(images):
            pixels = [np.asarray(image) for image in images]
            starts = range(0, len(pixels), FILL_BATCH)
            yield from self._computed((np.stack(pixels[start : start + FILL_BATCH]) for start in starts), sides)
            return
        choice = choice_of(self._model, self._cache, self._first, len(sides) * len(paths))
        if choice.where == "off":
            known = all(path in self._records for path in paths)
            records = [self._records[path] for path in paths] if known else None
            yield from self._computed(self._pixels(paths, records), sides)
            return
        records = [self._record(path) for path in paths]
        keys = [[key_of(record, mirrored=mirrored) for record in records] for mirrored in sides]
        entry = self._open(choice.where == "memory", set(chain(*keys)))
        compute = functools.partial(self._fill, entry, records, sides)
        compute([key for key in chain(*keys) if key not in entry])
        for start in range(0, len(paths), FILL_BATCH):
            yield tuple(tf.constant(entry.read(side[start : start + FILL_BATCH], compute)) for side in keys)

    def _computed(self, batches: Iterable[Pixels], sides: Sequence[bool]) -> Iterator[tuple[tf.Tensor, ...]]:
        """Yield what unit `first` takes, and keep nothing."""
        forward = self._model.prefix(self._first)
        for pixels in batches:
            self._check()
            yield tuple(forward(_side(pixels, mirrored=mirrored)) for mirrored in sides)

    def _fill(
        self, entry: Entry, records: Sequence[ImageRecord], sides: Sequence[bool], keys: Collection[bytes]
    ) -> None:
        """Compute the vectors of these keys, each image decoded once, and keep them."""
        wanted = set(keys)
        lacking = (record for record in records if any(key_of(record, mirrored=side) in wanted for side in sides))
        missing = list({record.digest: record for record in lacking}.values())
        if not missing:
            return
        forward = self._model.prefix(self._first)
        starts = range(0, len(missing), FILL_BATCH)
        batches = zip(starts, self._pixels([record.path for record in missing], missing), strict=True)

        def computed() -> Iterator[tuple[list[bytes], Vectors]]:
            for start, pixels in track(batches, len(missing), "computing features", FILL_BATCH):
                self._check()
                for mirrored in sides:
                    of = [key_of(record, mirrored=mirrored) for record in missing[start : start + FILL_BATCH]]
                    rows = [row for row, key in enumerate(of) if key in wanted]
                    if rows:
                        chosen = pixels if len(rows) == len(of) else tf.gather(pixels, rows)
                        yield [of[row] for row in rows], forward(_side(chosen, mirrored=mirrored)).numpy()

        fill(entry, computed())

    def _open(self, in_memory: bool, keys: Collection[bytes]) -> Entry:
        """Return the entry that is to hold these keys, opened again only where it lacks some."""
        entry = self._entry
        if in_memory and (entry is None or entry.folder is not None):
            entry = Entry(None, shape_of(self._model, self._first))
        elif entry is None or (entry.folder is not None and any(key not in entry for key in keys)):
            entry = open_entry(self._model, self._first, keys, self._name)
        self._entry = entry
        return entry

    @functools.cached_property
    def _name(self) -> str:
        return name_of(self._model, self._first)

    def _record(self, path: Path) -> ImageRecord:
        record = self._records.get(path) or hash_image(path)
        if record.fault:
            advice = "it could be read when the run began: put it back and resume"
            raise RunError(Problem(path, record.fault.reason, advice))
        return record

    def _pixels(self, paths: Sequence[Path], records: Sequence[ImageRecord] | None) -> ImageBatches:
        return evaluation_batches(
            paths,
            preprocessing=self._model.preprocessing,
            batch_size=FILL_BATCH,
            checksums=None if records is None else [record.checksum for record in records],
        )


def key_of(record: ImageRecord, *, mirrored: bool) -> bytes:
    """Return the key of an image's vector, or of its mirror image's."""
    return hashlib.sha256(b"flipped" + record.digest).digest() if mirrored else record.digest


def unit(prelogits: tf.Tensor | Vectors) -> Vectors:
    """Bring prelogits [b, E] to unit length."""
    return np.asarray(network.l2_normalize(prelogits))


def _side(pixels: Pixels | tf.Tensor, *, mirrored: bool) -> Pixels | tf.Tensor:
    return pixels[:, :, ::-1] if mirrored else pixels
