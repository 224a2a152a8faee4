"""FaceNet's protocol on the pairs of a file: k-fold cross-validation, by default with ten folds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.arrays import Floats
from finetune.errors import Problem
from finetune.verification import DEFAULT_FOLDS, Distance, VerificationResult
from finetune.verification.protocols.distances import PairedRows
from finetune.verification.protocols.lfw import Bools, evaluate_rows, lacking_folds
from finetune.verification.protocols.protocol import VerificationProtocol
from finetune.verification.protocols.without_folds import accuracy_interval, evaluate_without_folds, lacking, why
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.verification import ImagePairs


def _evaluate(
    embeddings: Floats, image_pairs: ImagePairs, *, distance: Distance, subtract_mean: bool, keep: Bools | None = None
) -> VerificationResult:
    """Evaluate as `evaluate_pairs` does, in the folds of the pairs file; without folds if the people are too few."""
    if image_pairs.n_folds == 1:
        return evaluate_without_folds(
            embeddings, image_pairs, distance=distance, subtract_mean=subtract_mean, keep=keep
        )
    result = evaluate_rows(
        PairedRows.of(embeddings, image_pairs),
        image_pairs.is_same,
        distance=distance,
        subtract_mean=subtract_mean,
        n_folds=image_pairs.n_folds,
        keep=keep,
        fold_of=image_pairs.folds,
    )
    if image_pairs.folds is None or image_pairs.n_folds >= DEFAULT_FOLDS:
        return result
    interval = accuracy_interval(result.accuracy, image_pairs if keep is None else image_pairs.only(keep))
    note = f"{image_pairs.n_folds} folds in place of ten, as the pairs file has them; {why(interval)}"
    return dataclasses.replace(result, accuracy_interval=interval, notes=(*result.notes, note))


def _needs(image_pairs: ImagePairs, where: str | Path, **_: Any) -> Iterator[Problem]:
    """Yield a problem if the pairs are too few for the folds."""
    n_same = int(image_pairs.is_same.sum())
    n_different, folds = len(image_pairs.is_same) - n_same, image_pairs.n_folds
    if folds == 1:
        yield from lacking(image_pairs, where)
    elif image_pairs.folds is not None:
        rows = [np.flatnonzero(image_pairs.folds == fold) for fold in range(folds)]
        yield from (problem.within(where) for problem in lacking_folds(rows, image_pairs.is_same))
    elif min(n_same, n_different) < folds:
        yield Problem(
            where,
            f"{counted(n_same, 'pair')} of one person and {n_different} of two can be used, "
            f"and {folds} folds need {folds} of each",
            "give more pairs, or a header with fewer folds",
        )


K_FOLD: VerificationProtocol = VerificationProtocol(
    "k_fold",
    "FaceNet's protocol, where the thresholds for each fold come from the other folds",
    evaluate=_evaluate,
    needs=_needs,
)
"""FaceNet's protocol for LFW: thresholds are chosen on nine of ten folds and applied to the tenth."""
