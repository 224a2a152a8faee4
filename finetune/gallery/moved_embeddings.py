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
from finetune.gallery.contract import Contract
from finetune.gallery.decisions import Decisions
from finetune.gallery.found_images import by_digest, find_images_of
from finetune.gallery.gallery import Gallery
from finetune.gallery.mapping import FittedMap, mapped
from finetune.gallery.migration_images import Pairs
from finetune.gallery.photos import Photos, Source
from finetune.gallery.sources import State, on_disk, states_of
from finetune.images import Records
from finetune.model import EmbeddingModel


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
        denied: photos of the decisions; the new checkpoint has embedded those that are there, the others are zero.
    """

    before: Gallery
    whole: Photos
    there: npt.NDArray[np.intp]
    fresh: Photos
    gone: npt.NDArray[np.intp]
    denied: Photos = dataclasses.field(default_factory=lambda: Photos.none(0))

    @classmethod
    def begin(cls, gallery: Gallery, model: EmbeddingModel, given: Records) -> MovedEmbeddings:
        """Find the photos that are there, and embed them."""
        whole = gallery.photos.joined(gallery.strangers)
        places_unknown: list[State] = ["unknown"] * len(gallery.strangers)
        there, fresh = _embedded(whole, on_disk(gallery) + places_unknown, model, given)
        gone = np.setdiff1d(np.arange(len(whole)), there)
        denied = gallery.decisions.photos
        if len(denied):
            rows, again = _embedded(denied, states_of(denied), model, given)
            denied = _replaced(dataclasses.replace(denied, embeddings=np.zeros_like(denied.embeddings)), rows, again)
        return cls(gallery, whole, there, fresh, gone, denied)

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
        embeddings, maps = self.whole.embeddings.copy(), self.whole.maps.copy()
        if rotation is not None:
            embeddings[self.gone] = mapped(embeddings[self.gone], rotation)
            maps[self.gone] += 1
        return _replaced(dataclasses.replace(self.whole, embeddings=embeddings, maps=maps), self.there, self.fresh)

    def decisions(self, rotation: Doubles | None) -> Decisions:
        """Return the decisions with new embeddings. Without a map, a face that is gone is known by its digest alone."""
        before, denied = self.before.decisions, self.denied
        if rotation is None or not len(denied):
            return Decisions(before.people, denied)
        embeddings = denied.embeddings.copy()
        gone = ~embeddings.any(axis=1) & before.photos.embeddings.any(axis=1)
        embeddings[gone] = mapped(before.photos.embeddings[gone], rotation)
        return Decisions(before.people, dataclasses.replace(denied, embeddings=embeddings, maps=denied.maps + gone))

    def gallery(self, contract: Contract, fit: Fit | None, rates: dict[str, float], given: Records) -> Gallery:
        """Return the migrated gallery, with the certificate of the map and the rates if a map was needed."""
        n = len(self.before)
        rotation = fit.map.rotation if fit else None
        photos = self.photos(rotation)
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
            decisions=self.decisions(rotation),
        )
        return after.found_at({key: Source.of(file, key) for key, file in by_digest(given).items()})


def _embedded(
    photos: Photos, states: list[State], model: EmbeddingModel, given: Records
) -> tuple[npt.NDArray[np.intp], Photos]:
    """Return the rows of the photos that are there, and these photos with new embeddings and the digests of now."""
    size = model.preprocessing.image_size
    with tempfile.TemporaryDirectory(prefix="finetune-") as place:
        found = find_images_of(photos, states, by_digest(given), size, Path(place))
        images = {record.path: record for record in found.values()}
        rows = Embedder(model, "auto", images).prelogits([record.path for record in found.values()])
    there = np.array(list(found), np.intp)
    return there, Photos.of(rows, [record.digest for record in found.values()], photos.take(there).names())


def _replaced(photos: Photos, rows: npt.NDArray[np.intp], fresh: Photos) -> Photos:
    """Return the photos with other embeddings, norms and digests in some rows."""
    embeddings, norms = photos.embeddings.copy(), photos.norms.copy()
    digests, maps = photos.digests.copy(), photos.maps.copy()
    embeddings[rows], norms[rows], digests[rows], maps[rows] = fresh.embeddings, fresh.norms, fresh.digests, 0
    return dataclasses.replace(photos, embeddings=embeddings, norms=norms, digests=digests, maps=maps)
