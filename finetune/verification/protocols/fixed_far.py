"""Validation rate at a fixed false accept rate over all pairs at once, as reported for IJB and by InsightFace.

There are no folds: thresholds come from the same pairs that they are applied to.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats
from finetune.errors import DataError, Problem
from finetune.verification import Distance, VerificationResult
from finetune.verification.protocols.distances import PairedRows, pair_distances, unknown_distance, unusable
from finetune.verification.protocols.protocol import Option, VerificationProtocol
from finetune.verification.protocols.roc import accepted, area, equal_error_rate
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.verification import ImagePairs

FAR = 1e-3
RATE = "a rate above 0 and below 1"
DESCRIPTION = {
    "name": "fixed_far",
    "folds": "none",
    "accepted": "distance < threshold",
    "accuracy_thresholds": "every distance of a pair",
    "val_thresholds": "the largest at which at most the share far_target of the pairs of two people is accepted",
}


def _evaluate(
    embeddings: Floats,
    image_pairs: ImagePairs,
    *,
    distance: Distance,
    subtract_mean: bool,
    far: float = FAR,
    keep: npt.NDArray[np.bool_] | None = None,
) -> VerificationResult:
    """Evaluate at the largest threshold that accepts at most the share `far` of the pairs of two people."""
    pairs = image_pairs if keep is None else image_pairs.only(keep)
    problems = [*unusable("embeddings", embeddings), *unknown_distance(distance)]
    problems += _needs(pairs, "pairs", subtract_mean=subtract_mean, far=far)
    if problems:
        raise DataError(*problems)
    same = pairs.is_same
    distances = pair_distances(PairedRows.of(embeddings, pairs), distance)  # [images, E] -> [n]
    of_one, of_two = distances[same], np.sort(distances[~same])
    at_far = of_two[_most_accepted(far, len(of_two))]  # pairs at this distance or farther are not accepted
    ordered = np.unique(distances)
    thresholds = np.append(ordered, np.nextafter(ordered[-1], np.inf))  # [points], from none accepted to all
    true_accepts, false_accepts = accepted(of_one, thresholds), accepted(of_two, thresholds)
    tpr, fpr = true_accepts / len(of_one), false_accepts / len(of_two)
    # True rejects are a constant number of pairs minus the false accepts; argmax ignores the constant.
    threshold = float(thresholds[np.argmax(true_accepts - false_accepts)])
    correct = (distances < threshold) == same
    accuracy = float(np.mean(correct))
    return VerificationResult(
        accuracy=accuracy,
        accuracy_std=0.0,
        val=float(np.mean(of_one < at_far)),
        val_std=0.0,
        far=float(np.mean(of_two < at_far)),
        auc=area(fpr, tpr),
        eer=equal_error_rate(fpr, tpr),
        threshold=threshold,
        fold_accuracy=(accuracy,),
        n_pairs=len(same),
        n_same=len(of_one),
        n_folds=1,
        distance=distance,
        subtract_mean=False,
        flip=False,
        far_target=far,
        notes=(
            f"the validation rate accepts distances below {at_far:.6g}",
            f"the accuracy is that at {threshold:.6g}, the best threshold for these same pairs, which flatters it",
        ),
        correct=correct,
        distances=distances.astype(np.float32),
        is_same=same,
        folds=np.zeros(len(same), np.int16),
        protocol=DESCRIPTION,
    )


def _most_accepted(far: float, n: int) -> int:
    """Return how many of n pairs of two people may be accepted at a rate; never all of them."""
    return int(np.count_nonzero(np.arange(1, n) / n <= far))


def _needs(
    image_pairs: ImagePairs, where: str | Path, *, subtract_mean: bool, far: float = FAR, **_: Any
) -> Iterator[Problem]:
    """Yield the problems of the options, and of too few pairs for the rate."""
    if subtract_mean:
        yield Problem("subtract_mean", "fixed_far has no other folds to take the mean from", "leave it out")
    if not 0 < far < 1:
        yield Problem("far", f"found {far}", f"give {RATE}")
        return
    n_same = int(np.count_nonzero(image_pairs.is_same))
    n_different = len(image_pairs.is_same) - n_same
    if not (n_same and n_different):
        yield Problem(where, f"found {counted(n_same, 'pair')} of one person and {n_different} of two", "give both")
    elif far < 1 / n_different:
        yield Problem(
            where,
            f"{counted(n_different, 'pair')} of two people can't tell a false accept rate of {far:g}",
            f"give a rate of at least 1 in {n_different}, or more pairs",
        )


def _rate(text: str) -> float:
    """Return the rate that a text holds, or raise a ValueError."""
    rate = float(text)
    if not 0 < rate < 1:
        raise ValueError(text)
    return rate


FIXED_FAR: VerificationProtocol = VerificationProtocol(
    "fixed_far",
    "validation rate at one false accept rate over all pairs, without folds",
    evaluate=_evaluate,
    needs=_needs,
    options=(Option("far", "RATE", _rate, RATE, f"false accept rate for fixed_far (default: {FAR})"),),
)
"""Protocol of the validation rate (TAR) at a fixed false accept rate (FAR). Its accuracy is that at the best threshold
for the same pairs."""
