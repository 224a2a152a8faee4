"""Enrolled photos that look like somebody else, checked whenever photos are enrolled."""

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
"""Quantile of the similarity to one's own person from which a similarity counts as usual."""
SAMPLE = 20_000
"""Photos that the quantile is computed from, at most."""
JUDGED = 6_000
"""Photos that the doctor's test uses, in addition to those of the people in question."""
Rows = npt.NDArray[np.intp]
Suspect = tuple[int, int, float]
"""Row of a photo, label of the person whom it resembles, and their cosine similarity."""


@dataclasses.dataclass(frozen=True, repr=False)
class Lookalikes(Brief):
    """Photos of one person that resemble another person more.

    Attributes:
        person: name of the person under whom the photos are enrolled.
        other: name of the person whom they resemble.
        photos: name of each photo, `PERSON/FILE`, as `gallery --remove-photo` takes it.
        enrolled: number of photos of the person.
        similarity: cosine similarity of the first photo to the other person.
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
    """Find photos that look like somebody else, among new photos and earlier photos of the people concerned.

    A photo is found by one of two tests.

    - A new photo is as similar to another person as photos of one person usually are. In addition, it is more similar
      to that person than to the earlier photos of its own. If its own person is new, half of their photos must
      resemble the other person instead.
    - The doctor calls the photo mislabelled, for people with at least four photos.

    Args:
        rows: rows of the new photos.
    """
    prototypes = NearestPrototype().fit(gallery.embeddings, gallery.labels)
    labels, similarities = prototypes.nearest_other(gallery.embeddings[rows], gallery.labels[rows])
    found: dict[tuple[int, int], dict[int, float]] = {}
    for row, other, similarity in _resembling(gallery, rows, labels, similarities, usual(prototypes, gallery)):
        found.setdefault((int(gallery.labels[row]), other), {})[row] = similarity
    for row, other, similarity in _mislabelled(gallery, np.unique(gallery.labels[rows]), labels):
        person = int(gallery.labels[row])
        if (other, person) not in found:  # else they are one person under two names, already reported
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
    """Return the similarity to the mean of their person's other photos that three of four photos reach.

    The result is infinite if nobody has two photos.
    """
    some = slice(None, None, max(1, len(gallery) // SAMPLE))
    own = prototypes.own_left_out(gallery.embeddings[some], gallery.labels[some])
    return float(np.quantile(own[np.isfinite(own)], USUAL)) if np.isfinite(own).any() else np.inf


def _resembling(
    gallery: Gallery, rows: Rows, labels: npt.NDArray[np.int64], similarities: npt.NDArray[np.float64], least: float
) -> Iterator[Suspect]:
    """Yield the new photos that the first test of `look_alike` finds."""
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
    """Yield mislabelled photos of these people, or photos that resemble them, the worst first.

    In a large gallery, the doctor's test uses these people, those whom the new photos resemble, and some others.
    """
    labels = gallery.labels
    step = -(-len(gallery) // JUDGED)
    judged_rows = np.flatnonzero((labels % step == 0) | np.isin(labels, people) | np.isin(labels, nearest))
    judged = check_identities(centred(gallery.embeddings[judged_rows]), labels[judged_rows])
    for place in judged.mislabelled.tolist():
        row, other = int(judged_rows[place]), int(judged.nearest[place])
        if labels[row] in people or other in people:
            yield row, other, float(judged.other[place])
