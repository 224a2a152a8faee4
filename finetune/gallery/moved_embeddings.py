"""Embeddings of a gallery's photos by another checkpoint: computed anew where the photo is there, else mapped."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles, Labels
from finetune.brief import Brief
from finetune.embedding import Embedder
from finetune.gallery.found_images import by_digest, find_images_of
from finetune.gallery.gallery import Contract, Gallery
from finetune.gallery.mapping import FittedMap, mapped
from finetune.gallery.migration_images import Pairs
from finetune.gallery.photos import Photos, Source
from finetune.gallery.sources import State, on_disk
from finetune.images import Records
from finetune.model import Model


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Fit(Brief):
    """Map and the images that it was fitted on.

    Attributes:
        map: map with its folds.
        pairs: embeddings of the images by both checkpoints.
    """

    map: FittedMap
    pairs: Pairs


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MovedEmbeddings(Brief):
    """Photos of people, then of strangers, and the new embeddings of those that are there.

    Attributes:
        before: gallery as it was read.
        whole: photos of people, then of strangers, as the gallery holds them, n rows.
        there: rows of the photos that the new checkpoint has embedded.
        fresh: these photos with their new embeddings.
        gone: rows of the other photos.
    """

    before: Gallery
    whole: Photos
    there: npt.NDArray[np.intp]
    fresh: Photos
    gone: npt.NDArray[np.intp]

    @classmethod
    def begin(cls, gallery: Gallery, model: Model, given: Records) -> MovedEmbeddings:
        """Find the photos that are there, and embed them."""
        whole, size = gallery.photos.joined(gallery.strangers), model.preprocessing.image_size
        places_unknown: list[State] = ["unknown"] * len(gallery.strangers)
        with tempfile.TemporaryDirectory(prefix="finetune-") as place:
            found = find_images_of(whole, on_disk(gallery) + places_unknown, by_digest(given), size, Path(place))
            images = {record.path: record for record in found.values()}
            rows = Embedder(model, "auto", images).prelogits([record.path for record in found.values()])
        there = np.array(list(found), np.intp)
        names = whole.take(there).names()
        fresh = Photos.of(rows, [record.digest for record in found.values()], names)
        return cls(gallery, whole, there, fresh, np.setdiff1d(np.arange(len(whole)), there))

    @property
    def people(self) -> Labels:
        """Label of each photo's person, with strangers after the enrolled people."""
        before = self.before
        return np.concatenate([before.labels, len(before.people) + before.stranger_labels])

    def pairs(self) -> Pairs:
        """Return the photos that are there and whose old embeddings the old checkpoint itself computed."""
        own = self.whole.maps[self.there] == 0
        rows = self.there[own]
        return Pairs(self.whole.embeddings[rows], self.fresh.embeddings[own], self.people[rows], rows)

    def photos(self, rotation: Doubles | None) -> Photos:
        """Return all photos with their new embeddings: those of the checkpoint, and mapped ones."""
        embeddings, norms = self.whole.embeddings.copy(), self.whole.norms.copy()
        digests, maps = self.whole.digests.copy(), self.whole.maps.copy()
        if rotation is not None:
            embeddings[self.gone] = mapped(embeddings[self.gone], rotation)
            maps[self.gone] += 1
        embeddings[self.there], norms[self.there] = self.fresh.embeddings, self.fresh.norms
        digests[self.there], maps[self.there] = self.fresh.digests, 0
        return dataclasses.replace(self.whole, embeddings=embeddings, norms=norms, digests=digests, maps=maps)

    def gallery(self, contract: Contract, fit: Fit | None, rates: dict[str, float], given: Records) -> Gallery:
        """Return the migrated gallery, with the certificate of the map and the rates if a map was needed."""
        n = len(self.before)
        photos = self.photos(fit.map.rotation if fit else None)
        certificates = self.before.certificates if photos.maps.any() else ()
        if fit is not None:
            people = len(np.unique(fit.pairs.people))
            found = fit.map.certificate(self.before.contract.weights, contract.weights, people)
            certificates = (*certificates, dataclasses.replace(found, rates=rates))
        after = dataclasses.replace(
            self.before,
            contract=contract,
            photos=photos.take(np.arange(n)),
            strangers=photos.take(np.arange(n, len(self.whole))),
            certificates=certificates,
        )
        return after.found_at({key: Source.of(file, key) for key, file in by_digest(given).items()})
