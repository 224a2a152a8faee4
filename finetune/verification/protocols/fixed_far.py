"""Validation rate at a fixed false accept rate over all pairs at once, as reported for IJB and by InsightFace.

There are no folds: thresholds come from the same pairs that they are applied to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles, Floats
from finetune.errors import DataError, Problem
from finetune.verification import Distance, ValidationRate, VerificationResult
from finetune.verification.protocols.distances import PairedRows, pair_distances, unknown_distance, unusable
from finetune.verification.protocols.protocol import Option, VerificationProtocol
from finetune.verification.protocols.roc import accepted, area, equal_error_rate
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.verification import ImagePairs

FAR = 1e-3
RATE = "a rate above 0 and below 1"
Rates = float | Sequence[float]
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
    far: Rates = FAR,
    keep: npt.NDArray[np.bool_] | None = None,
) -> VerificationResult:
    """Evaluate at the largest threshold that accepts at most the share `far` of the pairs of two people.

    Of several rates, the first is that of `val`. `rates` has all of them.
    """
    pairs = image_pairs if keep is None else image_pairs.only(keep)
    problems = [*unusable("embeddings", embeddings), *unknown_distance(distance)]
    problems += _needs(pairs, "pairs", subtract_mean=subtract_mean, far=far)
    if problems:
        raise DataError(*problems)
    same = pairs.is_same
    distances = pair_distances(PairedRows.of(embeddings, pairs), distance)  # [images, E] -> [n]
    of_one, of_two = distances[same], np.sort(distances[~same])
    fars = _several(far)
    rates = [_at(target, of_one, of_two) for target in fars]
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
        val=rates[0].val,
        val_std=0.0,
        far=rates[0].far,
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
        far_target=fars[0],
        notes=(
            *(
                f"the validation rate{f' at {rate.far_target:g}' * (len(rates) > 1)} accepts distances below "
                f"{rate.threshold:.6g}"
                for rate in rates
            ),
            f"the accuracy is that at {threshold:.6g}, the best threshold for these same pairs, which flatters it",
        ),
        correct=correct,
        distances=distances.astype(np.float32),
        is_same=same,
        folds=np.zeros(len(same), np.int16),
        protocol=DESCRIPTION,
        rates=tuple(rates) if len(rates) > 1 else (),
    )


def _at(far: float, of_one: Doubles, of_two: Doubles) -> ValidationRate:
    """Return the validation rate at one false accept rate; `of_two` is sorted."""
    from scipy import stats  # takes most of a second

    threshold = of_two[_most_accepted(far, len(of_two))]  # pairs at this distance or farther are not accepted
    accepted_pairs = int(np.count_nonzero(of_one < threshold))
    share = stats.binomtest(accepted_pairs, len(of_one)).proportion_ci(0.95, "wilson")
    val, measured = float(np.mean(of_one < threshold)), float(np.mean(of_two < threshold))
    return ValidationRate(far, float(threshold), val, float(share.low), float(share.high), measured)


def _several(far: Rates) -> tuple[float, ...]:
    return (far,) if isinstance(far, (int, float)) else tuple(far)


def _most_accepted(far: float, n: int) -> int:
    """Return how many of n pairs of two people may be accepted at a rate; never all of them."""
    return int(np.count_nonzero(np.arange(1, n) / n <= far))


def _needs(
    image_pairs: ImagePairs, where: str | Path, *, subtract_mean: bool, far: Rates = FAR, **_: Any
) -> Iterator[Problem]:
    """Yield the problems of the options, and of too few pairs for the rate."""
    if subtract_mean:
        yield Problem("subtract_mean", "fixed_far has no other folds to take the mean from", "leave it out")
    fars = _several(far)
    if not fars:
        yield Problem("far", "found no rate", f"give {RATE}")
    outside = [rate for rate in fars if not 0 < rate < 1]
    yield from (Problem("far", f"found {rate}", f"give {RATE}") for rate in outside)
    if outside or not fars:
        return
    n_same = int(np.count_nonzero(image_pairs.is_same))
    n_different = len(image_pairs.is_same) - n_same
    if not (n_same and n_different):
        yield Problem(where, f"found {counted(n_same, 'pair')} of one person and {n_different} of two", "give both")
        return
    for rate in fars:
        if rate < 1 / n_different:
            yield Problem(
                where,
                f"{counted(n_different, 'pair')} of two people can't tell a false accept rate of {rate:g}",
                f"give a rate of at least 1 in {n_different}, or more pairs",
            )


def _rates(text: str) -> tuple[float, ...]:
    """Return the rates that a text holds, or raise a ValueError."""
    rates = tuple(map(float, text.split(",")))
    if not all(0 < rate < 1 for rate in rates):
        raise ValueError(text)
    return rates


FIXED_FAR: VerificationProtocol = VerificationProtocol(
    "fixed_far",
    "validation rate at one false accept rate over all pairs, without folds",
    evaluate=_evaluate,
    needs=_needs,
    options=(
        Option(
            "far",
            "RATE",
            _rates,
            RATE,
            f"false accept rate for fixed_far (default: {FAR}), or several with commas, such as 1e-2,1e-3",
        ),
    ),
)
"""Protocol of the validation rate (TAR) at a fixed false accept rate (FAR). Its accuracy is that at the best threshold
for the same pairs."""
