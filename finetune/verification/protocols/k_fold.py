"""FaceNet's protocol on the pairs of a file: k-fold cross-validation, by default with ten folds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.arrays import Floats
from finetune.errors import Problem
from finetune.verification import Distance, VerificationResult
from finetune.verification.protocols.distances import PairedRows
from finetune.verification.protocols.lfw import Bools, evaluate_rows
from finetune.verification.protocols.protocol import VerificationProtocol
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.verification import ImagePairs


def _evaluate(
    embeddings: Floats, image_pairs: ImagePairs, *, distance: Distance, subtract_mean: bool, keep: Bools | None = None
) -> VerificationResult:
    """Evaluate as `evaluate_pairs` does, in the folds of the pairs file."""
    return evaluate_rows(
        PairedRows.of(embeddings, image_pairs),
        image_pairs.is_same,
        distance=distance,
        subtract_mean=subtract_mean,
        n_folds=image_pairs.n_folds,
        keep=keep,
    )


def _needs(image_pairs: ImagePairs, where: str | Path, **_: Any) -> Iterator[Problem]:
    """Yield a problem if the pairs are too few for the folds."""
    n_same = int(image_pairs.is_same.sum())
    n_different, folds = len(image_pairs.is_same) - n_same, image_pairs.n_folds
    if min(n_same, n_different) < folds:
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
