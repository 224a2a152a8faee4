"""Embeddings of a folder's images: mislabelled images, and the right person of a picture under several people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles
from finetune.doctor import identities
from finetune.doctor.finding import Finding
from finetune.doctor.thumbnails import Thumbnails

if TYPE_CHECKING:
    from finetune.model import EmbeddingModel


def embed(model: EmbeddingModel, images: Thumbnails, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """Compute the embeddings of some images, through the cache."""
    from finetune.embedding import Embedder

    return Embedder(model, records=images.records).embeddings([images.paths[row] for row in rows])


class Embedded:
    """Embeddings of a folder's images by a model.

    Attributes:
        model: model that computed the embeddings.
        rows: rows of the images that have an embedding, [rows].
        raw: embeddings, float32 [rows, E], unit length.
        embeddings: embeddings with their mean subtracted, scaled to unit length, [rows, E].
        judged: identity check of these rows.
    """

    def __init__(
        self,
        root: Path,
        people: Sequence[str],
        images: Thumbnails,
        labels: npt.NDArray[np.int64],
        rows: npt.NDArray[np.intp],
        model: EmbeddingModel,
    ) -> None:
        self.model, self.rows, self._labels = model, rows, labels[rows]
        self._root, self._people, self._images = root, people, images
        self.raw = embed(model, images, rows)
        self.embeddings = identities.centred(self.raw)
        self.judged = identities.check_identities(self.embeddings, self._labels)
        self._place = {int(row): place for place, row in enumerate(rows)}

    def centres(self, mean: Doubles | None = None) -> Doubles:
        """Return each person's centre, [people, E], with this mean subtracted, or else that of the images."""
        embeddings = self.embeddings if mean is None else identities.centred(self.raw, mean)
        return identities.centres(embeddings, self._labels, self.judged, len(self._people))

    def stays(self, rows: Sequence[int]) -> int | None:
        """Return which row of the same picture has the correct person, or None.

        It must be nearer to its person than the other rows by more than the threshold for mislabelled images.
        """
        own = [self.judged.own[self._place[row]] if row in self._place else np.nan for row in rows]
        if np.isnan(own).any():
            return None
        order = np.argsort(own)
        return rows[order[-1]] if own[order[-1]] - own[order[-2]] > self.judged.threshold else None

    def mislabelled(self) -> Iterator[Finding]:
        """Yield mislabelled images, each with the most similar image of the person whom it resembles."""
        own, other, nearest = self.judged.own, self.judged.other, self.judged.nearest
        for place in self.judged.mislabelled:
            theirs = np.flatnonzero(self._labels == nearest[place])
            most = theirs[(self.embeddings[theirs] @ self.embeddings[place]).argmax()]
            name = self._people[nearest[place]]
            reason = f"looks like {name}: alike to {other[place]:.2f}, to its own person's others to {own[place]:.2f}"
            path, like = self._images.paths[self.rows[place]], self._images.paths[self.rows[most]]
            yield Finding("mislabelled", path, reason, like, float(other[place] - own[place]), moves=True)
