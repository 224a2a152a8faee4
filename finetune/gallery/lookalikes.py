"""Enrolled photos that look like somebody else, as a new photo may show when it is enrolled."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.doctor import centred, check_identities
from finetune.gallery.gallery import Gallery
from finetune.gallery.prototypes import NearestPrototype

USUAL = 0.25
"""The share of photos that resemble the others of their person less than is usual."""
SAMPLE = 20_000
"""Photos that this is taken from."""
JUDGED = 6_000
"""Photos that the doctor's test is made with, beside those of the people in question."""
Rows = npt.NDArray[np.intp]
Suspect = tuple[int, int, float]
"""A row, the label of the person whom it resembles, and how much, as a cosine."""


@dataclasses.dataclass(frozen=True, repr=False)
class Lookalikes(Brief):
    """Photos of one person that resemble another one more.

    Attributes:
        photos: `PERSON/FILE` of each, as `gallery --remove-photo` takes it.
        enrolled: how many photos the person has.
        similarity: of the first to the other person.
    """

    person: str
    other: str
    photos: tuple[str, ...]
    enrolled: int
    similarity: float

    def __str__(self) -> str:
        n = len(self.photos)
        rest = f" and {n - 1} more" if n > 1 else ""
        return (
            f"{self.photos[0]}{rest}: enrolled as {self.person}, of whose {self.enrolled} photos {n} "
            f"look{'s' * (n == 1)} more like {self.other} (similarity {self.similarity:.2f})"
        )


def look_alike(gallery: Gallery, rows: Rows) -> list[Lookalikes]:
    """Find what new photos show: among them, and among earlier photos of the people whom they show.

    Two tests find a photo. It resembles another person as much as photos of one person usually do; it is then of
    somebody who had no photo before, half of whose photos resemble that person, or it resembles that person more than
    the earlier photos of its own. Or the doctor calls it mislabelled, which takes people with four photos and more.

    Args:
        rows: of the new photos.
    """
    prototypes = NearestPrototype().fit(gallery.embeddings, gallery.labels)
    labels, similarities = prototypes.nearest_other(gallery.embeddings[rows], gallery.labels[rows])
    found: dict[tuple[int, int], dict[int, float]] = {}
    for row, other, similarity in _resembling(gallery, rows, labels, similarities, usual(prototypes, gallery)):
        found.setdefault((int(gallery.labels[row]), other), {})[row] = similarity
    for row, other, similarity in _mislabelled(gallery, np.unique(gallery.labels[rows]), labels):
        person = int(gallery.labels[row])
        if (other, person) not in found:  # else they are one person under two names, which is said already
            found.setdefault((person, other), {}).setdefault(row, similarity)
    counts = gallery.counts()
    return [
        Lookalikes(
            gallery.people[person],
            gallery.people[other],
            tuple(gallery.photo_name(row) for row in photos),
            int(counts[person]),
            next(iter(photos.values())),
        )
        for (person, other), photos in found.items()
    ]


def usual(prototypes: NearestPrototype, gallery: Gallery) -> float:
    """Return what three photos of four reach with the mean of their person's others; infinite where nobody has two."""
    some = slice(None, None, max(1, len(gallery) // SAMPLE))
    own = prototypes.own_left_out(gallery.embeddings[some], gallery.labels[some])
    return float(np.quantile(own[np.isfinite(own)], USUAL)) if np.isfinite(own).any() else np.inf


def _resembling(
    gallery: Gallery, rows: Rows, labels: npt.NDArray[np.int64], similarities: npt.NDArray[np.float64], least: float
) -> Iterator[Suspect]:
    """Yield the new photos that resemble another person as much as is usual within one, and more than their own."""
    suspects: dict[tuple[int, int], list[int]] = {}
    for place in np.flatnonzero(similarities >= least).tolist():
        suspects.setdefault((int(gallery.labels[rows[place]]), int(labels[place])), []).append(place)
    for (person, other), places in suspects.items():
        mine = np.flatnonzero(gallery.labels == person)
        before = gallery.embeddings[np.setdiff1d(mine, rows)]
        if len(before):
            known = NearestPrototype().fit(before, np.zeros(len(before), np.int64))
            own = known.best(gallery.embeddings[rows[places]]).scores[:, 0]
            places = [place for place, similarity in zip(places, own, strict=True) if similarities[place] > similarity]
        elif 2 * len(places) < len(mine):
            continue
        for place in places:
            yield int(rows[place]), other, float(similarities[place])


def _mislabelled(gallery: Gallery, people: npt.NDArray[np.int64], nearest: npt.NDArray[np.int64]) -> Iterator[Suspect]:
    """Yield the photos that the doctor calls mislabelled, the worst first, which one of these people has or resembles.

    In a large gallery the test is made with some of the others, and with those whom the new photos resemble.
    """
    labels = gallery.labels
    step = -(-len(gallery) // JUDGED)
    judged_rows = np.flatnonzero((labels % step == 0) | np.isin(labels, people) | np.isin(labels, nearest))
    judged = check_identities(centred(gallery.embeddings[judged_rows]), labels[judged_rows])
    for place in judged.mislabelled.tolist():
        row, other = int(judged_rows[place]), int(judged.nearest[place])
        if labels[row] in people or other in people:
            yield row, other, float(judged.other[place])
