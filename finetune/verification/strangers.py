"""Verification of held-out identities: pairs drawn among them, measured with FaceNet's protocol."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.errors import DataError, Problem
from finetune.verification.pair_drawing import draw_places
from finetune.verification.protocols import evaluate_pairs
from finetune.verification.result import Distance, VerificationResult
from finetune.words import counted

FOLDS = 10
MOST = 3_000
"""Largest number of pairs of each kind, as in LFW."""
LEAST = 4
"""Least number of people for two folds that share nobody, if two of them have two images or more."""
FEW = 300
"""Number of pairs of each kind below which a result says that it is uncertain."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class StrangerPairs(Brief):
    """Pairs among images of held-out identities.

    Attributes:
        index1, index2: rows of the two images of each pair, int64 [n].
        is_same: True for each pair of one person, bool [n].
        n_folds: number of consecutive folds of equal size.
        notes: remarks on a result with these pairs.
    """

    index1: npt.NDArray[np.int64]
    index2: npt.NDArray[np.int64]
    is_same: npt.NDArray[np.bool_]
    n_folds: int
    notes: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Digest of the pairs, and of nothing else."""
        return hashlib.sha256(np.stack([self.index1, self.index2]).tobytes()).hexdigest()


def draw(labels: npt.NDArray[np.int64], seed: int) -> StrangerPairs:
    """Draw equally many pairs of one person and of two people, in folds that share nobody.

    Args:
        labels: person of each image, int64 [n].
        seed: seed of the draws, from 0.

    Raises:
        DataError: there are fewer than two people, or nobody has two images.
    """
    people = np.unique(labels)
    rows = [np.flatnonzero(labels == person) for person in people]
    counts = np.array([len(images) for images in rows], np.int64)
    able = int((counts > 1).sum())
    if len(people) < 2 or not able:
        raise DataError(
            Problem(
                "strangers",
                f"found {counted(len(people), 'person')}, {able} with two images or more",
                "there must be two, one of them with two images",
            )
        )
    folds = max(1, min(FOLDS, able, len(people) // 2))
    places = draw_places(counts, folds=folds, pairs_per_fold=-(-MOST // folds), seed=seed, fewer=True)
    pairs = np.array([(rows[p][i], rows[q][j], p == q) for fold in places for p, i, q, j in fold], np.int64)
    notes = []
    if len(pairs) < 2 * FEW:
        notes.append(
            f"only {counted(len(pairs), 'pair')} of {counted(len(people), 'stranger')} could be drawn: "
            f"the figures are uncertain"
        )
    if folds == 1:
        # Threshold and figures then come from the same people, but from different pairs.
        notes.append("too few strangers for folds that share nobody")
        folds = min(FOLDS, len(pairs) // 2)
        pairs = pairs[np.argsort(np.arange(len(pairs)) % (len(pairs) // 2), kind="stable")]
        if folds < 2:
            raise DataError(
                Problem(
                    "strangers",
                    f"only {counted(len(pairs), 'pair')} could be drawn of {counted(len(people), 'person')}",
                    "give more images",
                )
            )
    return StrangerPairs(pairs[:, 0], pairs[:, 1], pairs[:, 2].astype(bool), folds, tuple(notes))


def enough(labels: npt.NDArray[np.int64]) -> bool:
    """Return whether thresholds and figures can come from different people.

    Args:
        labels: person of each image, int64 [n].
    """
    _, counts = np.unique(labels, return_counts=True)
    return len(counts) >= LEAST and bool(np.count_nonzero(counts > 1) > 1)


def measure_strangers(
    embeddings: npt.NDArray[np.float32], pairs: StrangerPairs, *, distance: Distance = "cosine"
) -> VerificationResult:
    """Measure the pairs with FaceNet's protocol.

    Args:
        embeddings: embeddings of the images, [images, E], in the order of the labels that the pairs were drawn with.
    """
    first, second = embeddings[pairs.index1], embeddings[pairs.index2]
    result = evaluate_pairs(first, second, pairs.is_same, distance=distance, n_folds=pairs.n_folds)
    return dataclasses.replace(result, notes=pairs.notes + result.notes, pairs_sha256=pairs.sha256)
