"""Training images that seem to be under a wrong name, by their angles to the classifier's columns."""

from __future__ import annotations

import dataclasses

import numpy as np

from finetune.arrays import Doubles, Floats, unit_rows
from finetune.brief import Brief
from finetune.cells import csv_text
from finetune.dataset import Dataset

SUSPECTS = "suspects.csv"
ANGLE = 75.0
"""Angle in degrees to the dominant center of its class beyond which the paper drops an image."""
COLUMNS = "image", "angle", "nearest", "nearest_angle"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Suspects(Brief):
    """Images that are farther than `ANGLE` from the column of their class, the farthest first.

    Attributes:
        images: images as `PERSON/FILE`.
        angles: angle to the column of the image's class, in degrees, [n].
        nearest: name of the person whose column is nearest, per image.
        nearest_angles: angle to that column, in degrees, [n].
    """

    images: tuple[str, ...]
    angles: Doubles
    nearest: tuple[str, ...]
    nearest_angles: Doubles

    def to_csv(self) -> str:
        """Return the images as CSV, one per line, with a header and angles to a tenth of a degree."""
        own, other = ([f"{angle:.1f}" for angle in angles] for angles in (self.angles, self.nearest_angles))
        return csv_text([COLUMNS, *zip(self.images, own, self.nearest, other, strict=True)])


def suspects(images: Dataset, embeddings: Floats, head: Floats) -> Suspects:
    """Find the images that are farther than `ANGLE` from their class (Deng et al. 2020, "Sub-center ArcFace").

    Args:
        images: training images, n in number.
        embeddings: embeddings of the images, [n, E].
        head: weights of the classifier, [E, classes]: the dominant center of each class.
    """
    angles = angles_between(embeddings, head)  # [n, classes]
    rows = np.arange(len(images))
    own, best = angles[rows, images.labels], angles.argmin(1)
    found = np.flatnonzero(own > ANGLE)
    found = found[np.argsort(-own[found], kind="stable")]
    names = tuple(f"{path.parent.name}/{path.name}" for path in images.take(found).paths)
    people = tuple(images.class_names[label] for label in best[found])
    return Suspects(names, own[found], people, angles[found, best[found]])


def angles_between(embeddings: Floats, head: Floats) -> Doubles:
    """Return the angles between embeddings [n, E] and the columns of a head [E, classes], in degrees: [n, classes]."""
    cosines = unit_rows(embeddings.astype(np.float64)) @ unit_rows(head.astype(np.float64).T).T
    return np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
