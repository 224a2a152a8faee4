"""FaceNet's verification protocol, in float64 and with NumPy alone.

It follows `src/lfw.py`, `calculate_roc` and `calculate_val` of `src/facenet.py`, and `src/validate_on_lfw.py` of
davidsandberg/facenet. Its figures are the same, with one exception. The published validation rate interpolates a
threshold with `scipy.interpolate.interp1d`. The abscissae have many ties, whose order depended on SciPy's version. This
module uses `numpy.interp` on the same arrays.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.errors import DataError, Problem
from finetune.verification import ACCURACY_STEP, THRESHOLDS_END, VAL_STEP, Distance, VerificationResult
from finetune.verification.protocols.distances import PairedRows, pair_distances, unknown_distance, unusable
from finetune.verification.protocols.roc import accepted, area, equal_error_rate
from finetune.words import counted

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

ACCURACY_THRESHOLDS: Floats = np.arange(0, THRESHOLDS_END, ACCURACY_STEP)
VAL_THRESHOLDS: Floats = np.arange(0, THRESHOLDS_END, VAL_STEP)


def evaluate_pairs(
    embeddings1: npt.ArrayLike,
    embeddings2: npt.ArrayLike,
    is_same: npt.ArrayLike,
    *,
    distance: Distance = "euclidean",
    subtract_mean: bool = False,
    n_folds: int = 10,
    far_target: float = 1e-3,
    keep: npt.ArrayLike | None = None,
) -> VerificationResult:
    """Compute accuracy, validation rate, AUC and EER of telling pairs of one person from pairs of two.

    The pairs are cut into consecutive folds. For each fold, two thresholds are chosen on the other folds: the one with
    the best accuracy, and the one with the false accept rate `far_target`. They are then applied to the fold. A pair is
    accepted as one person if its distance is below the threshold.

    Args:
        embeddings1: embeddings of each pair's first image, [n, E]. With flips, the mirror image's embedding is
            appended.
        embeddings2: embeddings of each pair's second image, [n, E].
        is_same: True for each pair of one person, bool [n].
        distance: `euclidean` for the squared Euclidean distance, `cosine` for the angle divided by π (0 to 1).
        subtract_mean: True to subtract the mean embedding of the other folds from each fold's embeddings first.
        n_folds: number of folds, from 2. There must be at least that many pairs of each kind.
        far_target: false accept rate of the validation rate, above 0, at most 1.
        keep: pairs to evaluate, bool [n]; the other pairs are ignored. Each pair stays in the fold that it has among
            all pairs. Default: all.

    Raises:
        DataError: the values can't be evaluated; one line per reason.

    Example:
        >>> import numpy as np
        >>> from finetune import evaluate_pairs
        >>> first = np.eye(40)
        >>> is_same = np.arange(40) % 2 == 0
        >>> second = np.where(is_same[:, None], first, -first)
        >>> evaluate_pairs(first, second, is_same, n_folds=2).accuracy
        1.0
    """
    first, second = np.asarray(embeddings1), np.asarray(embeddings2)
    problems = [*unusable("embeddings1", first), *unusable("embeddings2", second)]
    if problems:
        raise DataError(*problems)
    rows = np.arange(len(first))
    return evaluate_rows(
        PairedRows(first, second, rows, rows),
        is_same,
        distance=distance,
        subtract_mean=subtract_mean,
        n_folds=n_folds,
        far_target=far_target,
        keep=keep,
    )


def evaluate_rows(
    pairs: PairedRows,
    is_same: npt.ArrayLike,
    *,
    distance: Distance,
    subtract_mean: bool,
    n_folds: int,
    far_target: float = 1e-3,
    keep: npt.ArrayLike | None = None,
) -> VerificationResult:
    """Compute the result of `evaluate_pairs` for pairs of rows, without a copy of all of them."""
    same = _checked(pairs, is_same, distance, n_folds, far_target)
    folds, notes = cut_into_folds(same, n_folds)
    if keep is not None:
        kept = _checked_keep(keep, len(same))
        pairs, same, folds = pairs.only(kept), same[kept], _kept_folds(folds, same, kept)
    pairs = pairs.widened()
    outcomes = [
        _outcome(distances, same, fold, far_target)
        for fold, distances in zip(folds, _distances(pairs, folds, distance, subtract_mean=subtract_mean), strict=True)
    ]
    order = np.argsort(np.concatenate(folds))  # from the order of the folds to the order of the pairs
    accuracy = [float(np.mean(outcome.correct)) for outcome in outcomes]
    val = [outcome.val for outcome in outcomes]
    auc, eer, curve_notes = _curve(outcomes)
    return VerificationResult(
        accuracy=float(np.mean(accuracy)),
        accuracy_std=float(np.std(accuracy)),
        val=float(np.mean(val)),
        val_std=float(np.std(val)),
        far=float(np.mean([outcome.far for outcome in outcomes])),
        auc=auc,
        eer=eer,
        threshold=float(np.mean([outcome.threshold for outcome in outcomes])),
        fold_accuracy=tuple(accuracy),
        n_pairs=len(same),
        n_same=int(np.count_nonzero(same)),
        n_folds=n_folds,
        distance=distance,
        subtract_mean=subtract_mean,
        flip=False,
        far_target=far_target,
        notes=(*notes, *curve_notes),
        correct=np.concatenate([outcome.correct for outcome in outcomes])[order],
        distances=np.concatenate([outcome.distances for outcome in outcomes])[order].astype(np.float32),
        is_same=same,
        folds=np.repeat(np.arange(n_folds, dtype=np.int16), [len(fold) for fold in folds])[order],
    )


class _Outcome(NamedTuple):
    """Outcome of one fold, with thresholds from the other folds."""

    threshold: float
    correct: Bools
    distances: Floats
    val: float
    far: float
    tpr: Floats
    fpr: Floats


def _outcome(distances: Floats, same: Bools, fold: Indices, far_target: float) -> _Outcome:
    in_fold = np.zeros(len(same), dtype=bool)
    in_fold[fold] = True
    others_same, others_different = distances[~in_fold & same], distances[~in_fold & ~same]
    fold_same, fold_different = distances[in_fold & same], distances[in_fold & ~same]

    # True rejects are a constant number of pairs minus the false accepts; argmax ignores the constant.
    score = accepted(others_same, ACCURACY_THRESHOLDS) - accepted(others_different, ACCURACY_THRESHOLDS)
    threshold = ACCURACY_THRESHOLDS[np.argmax(score)]

    far_others = accepted(others_different, VAL_THRESHOLDS) / len(others_different)
    at_far = val_threshold(far_others, far_target)
    return _Outcome(
        threshold=float(threshold),
        correct=(distances[fold] < threshold) == same[fold],
        distances=distances[fold],
        val=float(np.mean(fold_same < at_far)),
        far=float(np.mean(fold_different < at_far)),
        tpr=accepted(fold_same, ACCURACY_THRESHOLDS) / len(fold_same),
        fpr=accepted(fold_different, ACCURACY_THRESHOLDS) / len(fold_different),
    )


def val_threshold(far: Floats, far_target: float) -> float:
    """Return the threshold at a false accept rate, given the rates at each of `VAL_THRESHOLDS`."""
    # If no threshold of the grid reaches the target, the published code accepts nothing.
    return float(np.interp(far_target, far, VAL_THRESHOLDS)) if far[-1] >= far_target else 0.0


def _curve(outcomes: list[_Outcome]) -> tuple[float, float | None, list[str]]:
    """Return AUC and EER of the folds' mean ROC curve, and notes on them."""
    tpr = np.mean([outcome.tpr for outcome in outcomes], axis=0)
    fpr = np.mean([outcome.fpr for outcome in outcomes], axis=0)
    auc = area(fpr, tpr)
    eer = equal_error_rate(fpr, tpr)
    notes = []
    if fpr[-1] < 1:
        notes.append(f"the AUC is truncated: the thresholds end at a false accept rate of {fpr[-1]:.4f}")
    if eer is None:
        notes.append("there is no EER: the thresholds end before false accepts and false rejects cross")
    return auc, eer, notes


def cut_into_folds(same: Bools, n_folds: int) -> tuple[list[Indices], list[str]]:
    """Return the indices of each fold's pairs, and notes on them.

    Args:
        same: True for each pair of one person, bool [n]. There must be at least as many pairs of each kind as folds.
    """
    folds = np.array_split(np.arange(len(same)), n_folds)
    if all(same[fold].any() and not same[fold].all() for fold in folds):
        return folds, []
    # LFW's view 1 lists all pairs of one person first. The published code then divides by zero.
    kinds = (np.array_split(np.flatnonzero(kind), n_folds) for kind in (same, ~same))
    dealt = [np.concatenate(parts) for parts in zip(*kinds, strict=True)]
    return dealt, ["consecutive folds would lack a kind of pair, so each kind was cut into folds by itself"]


def _kept_folds(folds: list[Indices], same: Bools, kept: Bools) -> list[Indices]:
    """Return each fold's indices among the pairs that are kept.

    Raises:
        DataError: a fold is left without one of the kinds of pair.
    """
    folds = [fold[kept[fold]] for fold in folds]
    lacking = sum(not same[fold].any() or bool(same[fold].all()) for fold in folds)
    if lacking:
        n_same, n_kept = np.count_nonzero(same & kept), np.count_nonzero(kept)
        raise DataError(
            Problem(
                "pairs kept",
                f"found {n_same} of one person and {n_kept - n_same} of two, and {lacking} of {len(folds)} folds "
                "without one of the kinds",
                "keep more of each",
            )
        )
    position = np.cumsum(kept) - 1
    return [position[fold] for fold in folds]


def _distances(pairs: PairedRows, folds: list[Indices], distance: Distance, *, subtract_mean: bool) -> Iterator[Floats]:
    """Yield for each fold the distance of every pair, [n], both in the fold and in the others."""
    if distance == "euclidean" or not subtract_mean:  # subtracting a mean keeps Euclidean distances
        yield from itertools.repeat(pair_distances(pairs, distance), len(folds))
        return
    total = pairs.sums()
    for fold in folds:
        mean = (total - pairs.only(fold).sums()) / (2 * (len(pairs) - len(fold)))
        yield pair_distances(pairs, distance, mean)


def _checked(pairs: PairedRows, is_same: npt.ArrayLike, distance: Distance, n_folds: int, far_target: float) -> Bools:
    same, shapes = np.asarray(is_same), (pairs.first.shape, pairs.second.shape)
    problems = [*unusable("embeddings", pairs.first)]
    if problems:
        raise DataError(*problems)
    if shapes[0] != shapes[1]:
        problems.append(Problem("embeddings", f"found shapes {shapes[0]} and {shapes[1]}", "give both the same [n, E]"))
    if same.shape != (len(pairs),):
        found = f"found shape {same.shape} for {counted(len(pairs), 'pair')}"
        problems.append(Problem("is_same", found, "give one value for each pair"))
    if not np.isin(same, (0, 1)).all():
        problems.append(
            Problem("is_same", "found values that are not true or false", "give True for a pair of one person")
        )
    problems += unknown_distance(distance)
    if not 0 < far_target <= 1:
        problems.append(Problem("far_target", f"found {far_target}", "give a rate above 0, at most 1"))
    n_same = int(np.count_nonzero(same))
    if n_folds < 2:
        problems.append(Problem("n_folds", f"found {n_folds}", "give 2 or more"))
    elif min(n_same, same.size - n_same) < n_folds:
        problems.append(
            Problem(
                "pairs",
                f"found {n_same} of one person and {same.size - n_same} of two",
                f"{n_folds} folds need {n_folds} of each, give more pairs or fewer folds",
            )
        )
    if problems:
        raise DataError(*problems)
    return same.astype(bool)


def _checked_keep(keep: npt.ArrayLike, n: int) -> Bools:
    kept = np.asarray(keep)
    if kept.dtype != bool or kept.shape != (n,):
        raise DataError(
            Problem(
                "keep",
                f"found {kept.dtype} of shape {kept.shape} for {counted(n, 'pair')}",
                "give True or False for each",
            )
        )
    return kept
