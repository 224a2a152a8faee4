"""What the frozen units give for images that are only measured: central crops, kept like all features."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from finetune.dataset import evaluation_batches, iterate
from finetune.embedding.frozen import FILL_BATCH, choice_of, fill, open_shelf
from finetune.embedding.store import image_digest
from finetune.model import Model
from finetune.recipe import Cache


def mirrored(digest: bytes) -> bytes:
    """Return the key of an image's mirror image."""
    return hashlib.sha256(b"flipped" + digest).digest()


class CentralFeatures:
    """The units `UNITS[:first]` on the central crops of images, as often as they are asked for.

    Args:
        model: its first units must not change as long as this is used.
        first: where the units that change begin.
        paths: the images.
        digests: `image_digest` of each, where they are known; images of one digest are computed once.
        flip: whether they are mirrored.
        cache: as a recipe has it.
        check: called before each batch that is computed to be kept; may raise to end there.
    """

    def __init__(
        self,
        model: Model,
        first: int,
        paths: Sequence[Path],
        *,
        digests: Sequence[bytes] | None = None,
        flip: bool = False,
        cache: Cache = "auto",
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._model, self._paths, self._check = model, paths, check
        self._what = "computing features of mirror images" if flip else "computing features"
        prefix = model.prefix(first)
        self._prefix = (lambda pixels: prefix(pixels[:, :, ::-1])) if flip else prefix
        choice = choice_of(model, cache, first, len(paths))
        self._digests = digests
        self._shelf = None
        if choice.where != "off":
            self._digests = [image_digest(path) for path in paths] if digests is None else digests
            self._keys = [mirrored(digest) if flip else digest for digest in self._digests]
            self._shelf = open_shelf(model, first, choice, self._keys)

    def batches(self) -> Iterator[tf.Tensor]:
        """Features float32 [b, ...] in the order of the images.

        Raises:
            RunError: an image can no longer be read, or has changed since its digest was taken.
        """
        if self._shelf is None:
            for pixels in iterate(self._images(range(len(self._paths)))):
                self._check()
                yield self._prefix(pixels)
            return
        shelf, keys = self._shelf, self._keys
        rows = {key: row for row, key in enumerate(keys)}

        def compute(wanted: list[bytes]) -> None:
            batches = self._images([rows[key] for key in wanted])
            fill(shelf, self._prefix, wanted, batches, self._check, self._what)

        if missing := [key for key in rows if key not in shelf]:
            compute(missing)
        for start in range(0, len(keys), FILL_BATCH):
            yield tf.constant(shelf.read(keys[start : start + FILL_BATCH], compute))

    def embed(self, suffix: Callable[[tf.Tensor], np.ndarray]) -> np.ndarray:
        """What the units after them give for all images: [n, E].

        Args:
            suffix: features [b, ...] to embeddings [b, E].
        """
        return np.concatenate([suffix(features) for features in self.batches()])

    def _images(self, rows: Sequence[int]) -> tf.data.Dataset:
        return evaluation_batches(
            [self._paths[row] for row in rows],
            preprocessing=self._model.preprocessing,
            batch_size=FILL_BATCH,
            digests=None if self._digests is None else [self._digests[row] for row in rows],
        )
