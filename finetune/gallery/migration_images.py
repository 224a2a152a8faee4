"""Images of a migration: those that both checkpoints embed for the map, and labelled probes."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune.arrays import Labels
from finetune.brief import Brief
from finetune.dataset import layout
from finetune.embedding import Embedder
from finetune.errors import DataError, Problem
from finetune.gallery.gallery import Gallery
from finetune.gallery.labelled import owners_of
from finetune.gallery.photos import Embeddings
from finetune.images import Records, inspect_images
from finetune.model import EmbeddingModel
from finetune.paths import find_images, in_one_line

NOT_ENROLLED = -1
"""Row of an image that the gallery does not hold."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Pairs(Brief):
    """Embeddings of the same images by both checkpoints.

    Attributes:
        old: unit embeddings of the old checkpoint, float32 [n, E].
        new: unit embeddings of the new checkpoint, float32 [n, E].
        people: label of the person in each image, int64 [n].
        rows: row of each image among the gallery's photos; `NOT_ENROLLED` for others, [n].
    """

    old: Embeddings
    new: Embeddings
    people: Labels
    rows: npt.NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.old)

    def joined(self, other: Pairs) -> Pairs:
        """Return these images, then the others, whose people are different ones."""
        people = np.concatenate([self.people, other.people + self.people.max(initial=-1) + 1])
        return Pairs(
            np.concatenate([self.old, other.old]),
            np.concatenate([self.new, other.new]),
            people,
            np.concatenate([self.rows, other.rows]),
        )

    def thinned(self, most: int) -> Pairs:
        """Return at most this many images, evenly from the first person to the last."""
        if len(self) <= most:
            return self
        order = np.argsort(self.people, kind="stable")
        kept = np.sort(order[np.linspace(0, len(self) - 1, most).astype(np.intp)])
        return Pairs(self.old[kept], self.new[kept], self.people[kept], self.rows[kept])


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Probes(Brief):
    """Photos of enrolled people that are not enrolled themselves.

    Attributes:
        images: usable images.
        labels: label of the person in each, int64 [n].
        digests: sha256 of every file of the folder.
    """

    images: tuple[Path, ...]
    labels: Labels
    digests: frozenset[bytes]

    def embedded(self, model: EmbeddingModel) -> Embeddings:
        """Compute the embeddings, float32 [n, E]. Nothing is kept in the cache."""
        return Embedder(model, "off").embeddings(self.images)


def usable_images(paths: Sequence[Path], size: int) -> Records:
    """Return the records of the images that a network of this input size can take."""
    return {path: record for path, record in inspect_images(paths).items() if not record.unusable(size)}


def read_images(folder: Path, size: int) -> Records:
    """Return the usable images of a folder of any depth.

    Raises:
        DataError: there is none.
    """
    records = usable_images(find_images(folder), size)
    if not records:
        raise DataError(Problem(in_one_line(folder), "no image in it that can be used", "give aligned faces"))
    return records


def read_probes(folder: Path, gallery: Gallery, size: int) -> Probes:
    """Return the photos of a folder whose own folders have the names of enrolled people.

    Raises:
        DataError: there is no photo of an enrolled person, or all of them are enrolled.
    """
    records = usable_images([photo for photos in layout(folder).files.values() for photo in photos], size)
    owners, known = owners_of(records, gallery.people), set(gallery.photos.hashes())
    images = [photo for photo in owners if records[photo].digest not in known]
    if not images:
        found = "no usable photo of an enrolled person, beside those that are enrolled"
        advice = "give one folder of aligned faces per person, named as in the gallery"
        raise DataError(Problem(in_one_line(folder), found, advice))
    places = {name: label for label, name in enumerate(gallery.people)}
    labels = np.array([places[owners[photo]] for photo in images], np.int64)
    return Probes(tuple(images), labels, frozenset(record.digest for record in records.values()))


def embed_by_both(
    records: Records, without: Collection[bytes], old: EmbeddingModel, new: EmbeddingModel, most: int
) -> Pairs:
    """Embed images by two checkpoints. Nothing is kept in the cache; a person is the folder that an image lies in.

    Args:
        records: usable images.
        without: sha256 of images to leave out.
        old: model of the old checkpoint.
        new: model of the new checkpoint.
        most: largest number of images to embed, taken evenly.
    """
    images = [photo for photo, record in records.items() if record.digest not in without]
    if len(images) > most:
        images = [images[place] for place in np.linspace(0, len(images) - 1, most).astype(int)]
    folders = [str(photo.parent) for photo in images]
    people = np.unique(folders, return_inverse=True)[1].astype(np.int64)
    first, second = (Embedder(model, "off").embeddings(images) for model in (old, new))
    return Pairs(first, second, people, np.full(len(images), NOT_ENROLLED))
