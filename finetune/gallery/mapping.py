"""Orthogonal map from the embeddings of one checkpoint to those of another, and its certificate."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles, Floats, Labels, unit_rows
from finetune.brief import Brief

MOST_IMAGES = 500
"""Largest number of images that a map is fitted on."""
LEAST_IMAGES = 10
"""Smallest number of images that a map is fitted on."""
FOLDS = 5
"""Folds of people for the certificate."""
PULLS = (0.0, 1.0)
"""Strengths of the pull toward the identity that a fit chooses from, beside the identity itself."""
FINAL = -1
"""Fold of an image that the map was not fitted on."""


@dataclasses.dataclass(frozen=True)
class MapCertificate:
    """Certificate of a map: its checkpoints, the images that it was fitted on, and its agreement on other images.

    Attributes:
        old: sha256 of the weights of the old checkpoint, as in its contract.
        new: sha256 of the weights of the new checkpoint.
        images: number of images that the map was fitted on.
        people: number of people in them.
        mean: mean cosine similarity of mapped old and new embeddings, over images that the fit did not see.
        worst: lowest such similarity.
        unmapped: mean cosine similarity of old and new embeddings without a map.
        rates: identification rates that were measured, by name; empty if none were.
    """

    old: str
    new: str
    images: int
    people: int
    mean: float
    worst: float
    unmapped: float
    rates: dict[str, float] = dataclasses.field(default_factory=dict)

    def is_sound(self) -> bool:
        """Return whether every field has the type that it should have; one that was read from a file may not."""
        numbers = (self.mean, self.worst, self.unmapped)
        return (
            type(self.rates) is dict
            and all(isinstance(text, str) for text in (self.old, self.new, *self.rates))
            and all(type(count) is int for count in (self.images, self.people))
            and all(isinstance(number, float) for number in (*numbers, *self.rates.values()))
        )

    def __str__(self) -> str:
        return (
            f"map fitted on {self.images} images of {self.people} people: mapped and new embeddings have a cosine "
            f"similarity of {self.mean:.4f} (worst {self.worst:.4f}) on images not used in the fit, "
            f"{self.unmapped:.4f} without the map"
        )


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class FittedMap(Brief):
    """Map that was fitted on some images, and once more without each fold of them.

    Attributes:
        rotation: orthogonal matrix, float64 [E, E]; `old @ rotation` is near `new`.
        folds: fold of each image, int64 [n].
        without: map that was fitted without each fold, float64 [E, E] each.
        cosines: cosine similarity of each image's mapped and new embedding, by the map that did not see it, [n].
        unmapped: cosine similarity without a map, [n].
    """

    rotation: Doubles
    folds: Labels
    without: tuple[Doubles, ...]
    cosines: Doubles
    unmapped: Doubles

    def of_fold(self, fold: int) -> Doubles:
        """Return the map that was fitted without a fold; for `FINAL`, the map of all images."""
        return self.rotation if fold == FINAL else self.without[fold]

    def certificate(self, old: str, new: str, people: int) -> MapCertificate:
        """Return the certificate of the map between two checkpoints, given by the sha256 of their weights."""
        mean, worst, unmapped = float(self.cosines.mean()), float(self.cosines.min()), float(self.unmapped.mean())
        return MapCertificate(old, new, len(self.folds), people, mean, worst, unmapped)


def fit_map(old: Floats, new: Floats, people: Labels) -> FittedMap:
    """Fit an orthogonal map from old to new embeddings, and measure it on people whom the fit did not see.

    The map is the solution of the orthogonal Procrustes problem (Schönemann 1966). With fewer images than values per
    embedding, the images leave a part of the map open. There it stays near the identity: a stage moves embeddings
    little. The strength of this pull is chosen on a fold of the images, of those that the certificate is not measured
    on.

    Args:
        old: unit embeddings of the old checkpoint, [n, E], `LEAST_IMAGES` at least.
        new: unit embeddings of the same images by the new checkpoint, [n, E].
        people: label of the person in each image, int64 [n]. With one person, images make the folds.
    """
    first, second, folds = old.astype(np.float64), new.astype(np.float64), folds_of(people)
    without = tuple(
        _chosen(first[folds != fold], second[folds != fold], people[folds != fold]) for fold in range(folds.max() + 1)
    )
    cosines = np.empty(len(first))
    for fold, rotation in enumerate(without):
        cosines[folds == fold] = _cosines(first[folds == fold] @ rotation, second[folds == fold])
    return FittedMap(_chosen(first, second, people), folds, without, cosines, _cosines(first, second))


def mapped(embeddings: npt.NDArray[np.float32], rotation: Doubles) -> npt.NDArray[np.float32]:
    """Return mapped embeddings of unit length, float32 [n, E]."""
    return unit_rows(embeddings.astype(np.float64) @ rotation).astype(np.float32)


def folds_of(people: Labels) -> Labels:
    """Return the fold of each image, int64 [n] from 0: people are dealt out in turn, or images if all show one."""
    places: npt.NDArray[Any] = np.unique(people, return_inverse=True)[1]
    if not places.any():
        places = np.arange(len(people))
    return places.astype(np.int64) % FOLDS


def _chosen(old: Doubles, new: Doubles, people: Labels) -> Doubles:
    """Return the map with the pull that serves the first fold best, fitted on all images."""
    held = folds_of(people) == 0
    scores = [_cosines(old[held] @ _rotation(old[~held], new[~held], pull), new[held]).mean() for pull in PULLS]
    if _cosines(old[held], new[held]).mean() >= max(scores):
        return np.eye(old.shape[1])
    return _rotation(old, new, PULLS[int(np.argmax(scores))])


def _rotation(old: Doubles, new: Doubles, pull: float) -> Doubles:
    """Solve the orthogonal Procrustes problem, [E, E], with the identity's rows as further images of that weight.

    Directions in which no image lies stay as they are.
    """
    basis = np.linalg.qr(np.concatenate([old, new]).T)[0]  # [E, k], k = min(2n, E)
    same = np.eye(basis.shape[1])
    rows = np.sqrt(pull) * same
    first, second = (np.concatenate([part @ basis, rows]) for part in (old, new))  # [n + k, k]
    from scipy.linalg import orthogonal_procrustes

    rotation: Doubles = np.eye(len(basis)) + basis @ (orthogonal_procrustes(first, second)[0] - same) @ basis.T
    return rotation


def _cosines(first: Doubles, second: Doubles) -> Doubles:
    """Return the cosine similarity of each pair of rows, [n]."""
    found: Doubles = np.einsum("ij,ij->i", unit_rows(first), unit_rows(second))
    return found
