"""A folder's images by a model: who is mislabelled, and whose a picture is that lies under several people."""

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
    from finetune.model import Model


def embed(model: Model, images: Thumbnails, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """Compute the embeddings of some images, by way of the cache."""
    from finetune.embedding import Embedder

    return Embedder(model, records=images.records).embeddings([images.paths[row] for row in rows])


class Embedded:
    """The faces of a folder's images, by a model.

    Attributes:
        model: that embedded them.
        rows: of the images that have an embedding.
        raw: float32 [rows, E], unit length.
        embeddings: of these rows, mean subtracted, unit length.
        judged: of these rows.
    """

    def __init__(
        self,
        root: Path,
        people: Sequence[str],
        images: Thumbnails,
        labels: npt.NDArray[np.int64],
        rows: npt.NDArray[np.intp],
        model: Model,
    ) -> None:
        self.model, self.rows, self._labels = model, rows, labels[rows]
        self._root, self._people, self._images = root, people, images
        self.raw = embed(model, images, rows)
        self.embeddings = identities.centred(self.raw)
        self.judged = identities.check_identities(self.embeddings, self._labels)
        self._place = {int(row): place for place, row in enumerate(rows)}

    def centres(self, mean: Doubles | None = None) -> Doubles:
        """Of each person, [people, E], where this mean, or the images' own, is subtracted."""
        embeddings = self.embeddings if mean is None else identities.centred(self.raw, mean)
        return identities.centres(embeddings, self._labels, self.judged, len(self._people))

    def stays(self, rows: Sequence[int]) -> int | None:
        """Which of the rows of one picture is rightly there: nearer to its person by what makes others mislabelled."""
        own = [self.judged.own[self._place[row]] if row in self._place else np.nan for row in rows]
        if np.isnan(own).any():
            return None
        order = np.argsort(own)
        return rows[order[-1]] if own[order[-1]] - own[order[-2]] > self.judged.threshold else None

    def mislabelled(self) -> Iterator[Finding]:
        """Images under a wrong name, each beside the image of the person whom it resembles that is most like it."""
        own, other, nearest = self.judged.own, self.judged.other, self.judged.nearest
        for place in self.judged.mislabelled:
            theirs = np.flatnonzero(self._labels == nearest[place])
            most = theirs[(self.embeddings[theirs] @ self.embeddings[place]).argmax()]
            name = self._people[nearest[place]]
            reason = f"looks like {name}: alike to {other[place]:.2f}, to its own person's others to {own[place]:.2f}"
            path, like = self._images.paths[self.rows[place]], self._images.paths[self.rows[most]]
            yield Finding("mislabelled", path, reason, like, float(other[place] - own[place]), moves=True)
