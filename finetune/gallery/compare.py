"""Threshold of the similarity of two photos: few pairs of different people exceed it."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from finetune import files
from finetune.arrays import Doubles
from finetune.cells import csv_text
from finetune.embedding import Embedder
from finetune.errors import DataError, Problem
from finetune.gallery.calibration import Threshold
from finetune.gallery.gallery import Gallery
from finetune.gallery.identification import Face, faces_of
from finetune.light import restore
from finetune.model import EmbeddingModel
from finetune.paths import Place, as_paths, in_one_line
from finetune.verification import interval, least_rate, rounded_up

FAR = 0.01
MOST_PEOPLE = 3_000
"""Largest number of people whose pairs are compared: 4.5 million pairs."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two faces beside one another.

    Attributes:
        similarity: cosine similarity of the two embeddings, -1 to 1.
        threshold: similarity above which two faces are taken for one person; None where none is known.
    """

    similarity: float
    threshold: float | None = None

    @property
    def same(self) -> bool | None:
        """Whether both faces show one person; None without a threshold."""
        return None if self.threshold is None else self.similarity > self.threshold

    @property
    def distance(self) -> float:
        """The squared Euclidean distance of the two embeddings, 0 to 4."""
        return max(0.0, 2 - 2 * self.similarity)

    @property
    def angle(self) -> float:
        """The angle between the two embeddings in degrees, 0 to 180."""
        return float(np.degrees(np.arccos(np.clip(self.similarity, -1, 1))))


def verify(
    first: Place,
    second: Place,
    model: EmbeddingModel | str | Path,
    *,
    threshold: float | None = None,
    gallery: Gallery | None = None,
    far: float = FAR,
    align: bool = False,
) -> Comparison:
    """Compare the faces on two photos. Nothing of them is kept on disk.

    Args:
        first: an aligned face, or with `align` a photo of one person.
        second: another one.
        model: a model, or the checkpoint that one is restored from.
        threshold: cosine similarity above which the two faces are taken for one person.
        gallery: gives the threshold in its place: the one that a share `far` of pairs of different people exceeds.
        far: false accept rate, above 0, below 1.
        align: whether to find the faces first; there must be one in each photo.

    Raises:
        DataError: a photo can't be used, or the gallery has too few people for the rate; one line for each reason.
        CheckpointError: the checkpoint can't be restored.

    Example:
        After `finetune demo`:

        >>> from pathlib import Path
        >>> from finetune import verify
        >>> photo = next(Path("runs/demo/data/faces").rglob("*.png"))
        >>> comparison = verify(photo, photo, "runs/demo/checkpoint", threshold=0.9)
        >>> comparison.same
        True
    """
    if threshold is None and gallery is not None:
        _refuse_folders([first, second])
        threshold = pair_threshold(gallery, far).value
    return Comparison(float(similarities([first, second], model, align=align)[0, 1]), threshold)


def similarities(photos: Sequence[Place], model: EmbeddingModel | str | Path, *, align: bool = False) -> Doubles:
    """Compare the faces on several photos, each with each. Nothing of them is kept on disk.

    Args:
        photos: aligned faces, or with `align` photos of one person each, n of them.
        model: a model, or the checkpoint that one is restored from.
        align: whether to find the faces first; there must be one in each photo.

    Returns:
        Cosine similarities, float64 [n, n], symmetric.

    Raises:
        DataError: photos can't be used; one line for each.
        CheckpointError: the checkpoint can't be restored.
    """
    paths = _refuse_folders(photos)
    used = model if isinstance(model, EmbeddingModel) else restore(model)
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(faces_of([photo], used, detect=align)) for photo in paths]
        problems = [
            problem
            for photo, faces in zip(paths, found, strict=True)
            if (problem := _problem(photo, faces, aligned=not align))
        ]
        if problems:
            raise DataError(*dict.fromkeys(problems))
        crops = [face.crop for faces in found for face in faces if face.crop is not None]
        rows = Embedder(used, cache="off").embeddings(crops).astype(np.float64)  # [n, E]
    return np.array([[np.dot(one, other) for other in rows] for one in rows])


def write_matrix(path: Path, photos: Sequence[Place], matrix: Doubles) -> None:
    """Write similarities [n, n] as a CSV with a line and a column per photo.

    Raises:
        RunError: the file can't be written.
    """
    names = [in_one_line(photo) for photo in photos]
    rows = [(name, *(f"{value:.6f}" for value in row)) for name, row in zip(names, matrix.tolist(), strict=True)]
    files.write_text(path, csv_text([("photo", *names), *rows]))


def _refuse_folders(photos: Sequence[Place]) -> list[Path]:
    """Return the paths of the photos, or raise an error that names each folder among them."""
    paths = as_paths(photos)
    folders = [Problem(in_one_line(photo), "a folder", "give a photo") for photo in paths if photo.is_dir()]
    if folders:
        raise DataError(*folders)
    return paths


def _problem(photo: Path, faces: Sequence[Face], *, aligned: bool) -> Problem | None:
    """Return why a photo is not of one face; None where it is."""
    where = in_one_line(photo)
    if len(faces) > 1:
        return Problem(where, f"{len(faces)} faces", "give a photo of one person")
    advice = "give an aligned face, or a photo with --align" if aligned else "give a photo of a face"
    return Problem(where, faces[0].problem, advice) if faces[0].problem else None


def pair_threshold(gallery: Gallery, far: float = FAR) -> Threshold:
    """Return the cosine similarity that a share `far` of the pairs of different people exceeds.

    The pairs use one photo of each person in the gallery, strangers included. Pairs of n people are at least as
    informative as n / 2 independent pairs (Hoeffding 1948, on U-statistics). The interval assumes n / 2.

    Args:
        far: false accept rate, 0 < far < 1.

    Raises:
        DataError: there are too few people to promise this rate. The message says how many more are needed, and which
            rate is possible.
    """
    labels = np.concatenate([gallery.labels, -1 - gallery.stranger_labels])
    rows = np.unique(labels, return_index=True)[1]
    people = len(rows)
    rows = rows[:: -(-people // MOST_PEOPLE)] if people else rows
    embeddings = np.concatenate([gallery.embeddings, gallery.strangers.embeddings])[rows]
    n = len(embeddings)
    if n < 2 or far < least_rate(n / 2):
        needed = max(2, math.ceil(2 * (1 / far - 1) - 1e-9))
        ways = []
        if people < needed <= MOST_PEOPLE:
            ways.append(f"add {needed - people} strangers (finetune enroll GALLERY FOLDER --strangers)")
        if n >= 2:
            ways.append(f"give --far {rounded_up(least_rate(n / 2))} or more")
        found = (
            f"a false accept rate of {far:g} takes {needed} people, enrolled and strangers, where {n} can be compared"
        )
        raise DataError(Problem("", found, ", or ".join(ways or ["enrol people"])))
    similarities = np.sort((embeddings @ embeddings.T)[np.triu_indices(n, 1)])[::-1]
    value = float(similarities[int(far * len(similarities))])
    low, high = interval(far * (n / 2 + 1), n / 2)
    return Threshold(value, far, low, high, n, "people, in pairs")
