"""Identification rates before and after a migration: the old gallery with old and new probes, the new one with new."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats, Labels, class_sums, unit_rows
from finetune.gallery.mapping import FINAL
from finetune.gallery.migration_images import Probes
from finetune.gallery.moved_embeddings import Fit, MovedEmbeddings
from finetune.gallery.photos import Embeddings
from finetune.gallery.prototypes import NearestPrototype
from finetune.identification import Rate, rate_of
from finetune.words import counted

Hits = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class MigrationRates:
    """Rank-1 identification rates by nearest prototype, on the same photos three times.

    Attributes:
        probes: description of the photos.
        before: old gallery, photos embedded by the old checkpoint.
        unmigrated: old gallery, photos embedded by the new checkpoint.
        after: migrated gallery, photos embedded by the new checkpoint.
    """

    probes: str
    before: Rate
    unmigrated: Rate
    after: Rate

    @property
    def drop(self) -> float:
        """Identification rate that the migration loses, in shares of photos; negative if it gains."""
        return self.before.value - self.after.value

    def rows(self) -> list[tuple[str, Rate]]:
        """Return the rates with their names."""
        return [
            ("old gallery, old probes", self.before),
            ("old gallery, new probes", self.unmigrated),
            ("new gallery, new probes", self.after),
        ]

    @classmethod
    def of(cls, probes: str, before: Hits, unmigrated: Hits, after: Hits, people: Labels) -> MigrationRates:
        """Count the right answers, [n] each, to photos of these people, [n]."""
        return cls(probes, *(rate_of(hits, people) for hits in (before, unmigrated, after)))


def named_right(gallery: Embeddings, labels: Labels, probes: Embeddings, own: Labels) -> Hits:
    """Return for which probes the nearest prototype is their own person's, bool [m].

    Args:
        gallery: embeddings of the enrolled photos, [n, E].
        labels: label of each enrolled photo, [n].
        probes: embeddings of photos that are not enrolled, [m, E].
        own: label of each probe's person, [m].
    """
    found: Hits = NearestPrototype().fit(gallery, labels).predict(probes) == own
    return found


def named_right_left_out(gallery: Embeddings, labels: Labels, probes: Embeddings, rows: npt.NDArray[np.intp]) -> Hits:
    """Return for which enrolled photos the nearest prototype is their own person's, without the photo itself.

    Args:
        gallery: embeddings of the enrolled photos, [n, E].
        labels: label of each enrolled photo, [n].
        probes: embeddings of some of these photos, [m, E], not necessarily the gallery's own.
        rows: row of each of them in the gallery, [m]. Their people have two photos at least.
    """
    own = labels[rows]
    sums: Floats = class_sums(gallery, labels, int(labels.max()) + 1)  # [people, E]
    left: Floats = unit_rows(sums[own] - gallery[rows])  # [m, E]
    others = NearestPrototype().fit(gallery, labels).nearest_other(probes, own)[1]
    found: Hits = np.einsum("ij,ij->i", left, probes) > others
    return found


def rates_of_probes(
    moved: MovedEmbeddings, fit: Fit | None, probes: Probes, old: Embeddings, new: Embeddings
) -> MigrationRates | None:
    """Measure the galleries on labelled photos, embedded by both checkpoints; None for one person alone."""
    if len(moved.before.people) < 2:
        return None
    before, labels, own = moved.before.embeddings, moved.before.labels, probes.labels
    after = moved.photos(fit.map.rotation if fit else None).embeddings[: len(before)]
    return MigrationRates.of(
        f"{counted(len(own), 'labelled photo')} of {counted(len(np.unique(own)), 'person')}",
        named_right(before, labels, old, own),
        named_right(before, labels, new, own),
        named_right(after, labels, new, own),
        own,
    )


def rates_left_out(moved: MovedEmbeddings, fit: Fit | None) -> MigrationRates | None:
    """Measure the galleries on the enrolled photos that are there, each left out in turn; None if there are none.

    A photo that the map was fitted on meets the gallery as the map that was fitted without it gives it.
    """
    before, labels = moved.before.embeddings, moved.before.labels
    able = (moved.there < len(labels)) & (moved.whole.maps[moved.there] == 0)
    able[able] = moved.before.counts()[labels[moved.there[able]]] >= 2
    rows, probes = moved.there[able], moved.fresh.embeddings[able]
    if not len(rows) or len(moved.before.people) < 2:
        return None
    folds = np.full(len(moved.whole), FINAL)
    if fit is not None:
        enrolled = fit.pairs.rows >= 0
        folds[fit.pairs.rows[enrolled]] = fit.map.folds[enrolled]
    people = counted(len(np.unique(labels[rows])), "person")
    after = np.empty(len(rows), bool)
    for fold in np.unique(folds[rows]).tolist():
        some = folds[rows] == fold
        embeddings = moved.photos(fit.map.of_fold(fold) if fit else None).embeddings[: len(labels)]
        after[some] = named_right_left_out(embeddings, labels, probes[some], rows[some])
    return MigrationRates.of(
        f"{counted(len(rows), 'enrolled photo')} of {people}, each left out in turn",
        named_right_left_out(before, labels, before[rows], rows),
        named_right_left_out(before, labels, probes, rows),
        after,
        labels[rows],
    )
