"""Verification of people who are too few for folds, with the accuracy's uncertainty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats
from finetune.errors import DataError, Problem
from finetune.verification import AccuracyInterval, Distance, VerificationResult, wilson
from finetune.verification.protocols.distances import PairedRows, pair_distances, unknown_distance, unusable
from finetune.verification.protocols.lfw import ACCURACY_THRESHOLDS, VAL_THRESHOLDS, Bools, Indices, val_threshold
from finetune.verification.protocols.roc import accepted, summarized
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.verification import ImagePairs

FAR = 1e-3
MOST_GROUPS = 400
"""Largest number of groups of pairs with thresholds of their own."""
UNBALANCED = 0.6
"""Share of the more frequent kind of pair above which the share is told."""
BY_PERSON = "without_folds, by person"
OVER_ALL = "without_folds, over all pairs"


class _Decisions(NamedTuple):
    """Decisions on all pairs, and the mean threshold behind them.

    Attributes:
        threshold: mean of the thresholds with the best accuracy.
        is_accepted: True for each pair accepted at its threshold, bool [n].
        at_far: True for each pair accepted at its threshold for the false accept rate, bool [n].
    """

    threshold: float
    is_accepted: Bools
    at_far: Bools


def evaluate_without_folds(
    embeddings: Floats, image_pairs: ImagePairs, *, distance: Distance, subtract_mean: bool, keep: Bools | None = None
) -> VerificationResult:
    """Evaluate pairs with thresholds from the pairs that share no person with the judged one.

    Every pair is judged once. Where nobody would be left to choose a threshold, or the people are unknown, the
    threshold is the best one for the judged pairs themselves. The notes say which it was.

    Args:
        embeddings: embeddings of the pairs' images, [images, E].
        image_pairs: pairs, with at least one of each kind.
        distance: `euclidean` or `cosine`.
        subtract_mean: True to subtract the mean embedding of all pairs first.
        keep: pairs to evaluate, bool [n]. Default: all.

    Raises:
        DataError: the embeddings can't be evaluated, or a kind of pair is missing.
    """
    pairs = image_pairs if keep is None else image_pairs.only(keep)
    problems = [*unusable("embeddings", embeddings), *unknown_distance(distance)]
    problems += lacking(pairs, "pairs")
    if problems:
        raise DataError(*problems)
    same = pairs.is_same
    rows = PairedRows.of(embeddings, pairs)
    mean = rows.sums() / (2 * len(rows)) if subtract_mean else None  # [E]
    distances = pair_distances(rows, distance, mean)  # [images, E] -> [n]
    groups = list(_groups(pairs))
    decided = _decided(distances, same, groups or [(np.arange(len(same)), np.ones(len(same), bool))])
    correct = decided.is_accepted == same
    accuracy = float(np.mean(correct))
    tpr, fpr = (accepted(distances[kind], ACCURACY_THRESHOLDS) / np.count_nonzero(kind) for kind in (same, ~same))
    auc, eer, notes = summarized(fpr, tpr)
    interval = accuracy_interval(accuracy, pairs)
    return VerificationResult(
        accuracy=accuracy,
        accuracy_std=0.0,
        val=float(np.mean(decided.at_far[same])),
        val_std=0.0,
        far=float(np.mean(decided.at_far[~same])),
        auc=auc,
        eer=eer,
        threshold=decided.threshold,
        fold_accuracy=(accuracy,),
        n_pairs=len(same),
        n_same=int(np.count_nonzero(same)),
        n_folds=1,
        distance=distance,
        subtract_mean=subtract_mean,
        flip=False,
        far_target=FAR,
        notes=(*_remarks(pairs, by_person=bool(groups)), why(interval), *notes),
        correct=correct,
        distances=distances.astype(np.float32),
        is_same=same,
        folds=np.zeros(len(same), np.int16),
        accuracy_interval=interval,
        protocol={
            "name": BY_PERSON if groups else OVER_ALL,
            "folds": "none",
            "accepted": "distance < threshold",
            "accuracy_thresholds": f"{len(ACCURACY_THRESHOLDS)} steps from 0 to {ACCURACY_THRESHOLDS[-1]:.2f}",
            "val_thresholds": f"{len(VAL_THRESHOLDS)} steps from 0 to {VAL_THRESHOLDS[-1]:.3f}, interpolated linearly",
        },
    )


def lacking(pairs: ImagePairs, where: str | Path) -> Iterator[Problem]:
    """Yield a problem if there is no pair of one person, or none of two."""
    n_same = int(np.count_nonzero(pairs.is_same))
    n_different = len(pairs.is_same) - n_same
    if not (n_same and n_different):
        yield Problem(where, f"found {counted(n_same, 'pair')} of one person and {n_different} of two", "give both")


def accuracy_interval(accuracy: float, pairs: ImagePairs) -> AccuracyInterval:
    """Return the 95 % interval of an accuracy (Wilson 1927), with one independent trial per person.

    Pairs that share a person are right or wrong together, so they don't count as independent trials. If the people are
    unknown, each pair counts.
    """
    people = {pairs.identities[i] for index in (pairs.index1, pairs.index2) for i in index}
    n, of = (len(pairs.is_same), "pairs") if "" in people else (len(people), "people")
    low, high = wilson(accuracy, n).tolist()
    return AccuracyInterval(low, high, n, of)


def why(interval: AccuracyInterval) -> str:
    """Return the reason for what an interval counts."""
    if interval.of == "people":
        return "the interval counts people, because pairs that share a person are right or wrong together"
    return "the interval counts pairs, because their people are unknown, and is too narrow if pairs share people"


def _groups(pairs: ImagePairs) -> Iterator[tuple[Indices, Bools]]:
    """Yield the pairs of each two people, and the pairs that share no person with these, bool [n].

    Nothing is yielded if some group would have no thresholds, or if there are many groups.
    """
    names = pairs.identities
    if "" in names:
        return
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    people = np.array([number[name] for name in names], np.intp)
    ends = np.sort(np.stack([people[pairs.index1], people[pairs.index2]], axis=1), axis=1)  # [n, 2]
    each, group_of = np.unique(ends, axis=0, return_inverse=True)
    if len(each) > MOST_GROUPS:
        return
    found: list[tuple[Indices, Bools]] = []
    for group, two in enumerate(each):
        others: Bools = np.logical_not(np.isin(ends, two).any(axis=1))
        if not (pairs.is_same & others).any() or not (~pairs.is_same & others).any():
            return
        found.append((np.flatnonzero(group_of.ravel() == group), others))
    yield from found


def _decided(distances: npt.NDArray[np.float64], same: Bools, groups: list[tuple[Indices, Bools]]) -> _Decisions:
    is_accepted, at_far = np.zeros(len(same), bool), np.zeros(len(same), bool)
    thresholds = np.zeros(len(same))
    for rows, others in groups:
        of_one, of_two = distances[others & same], distances[others & ~same]
        # True rejects are a constant number of pairs minus the false accepts; argmax ignores the constant.
        score = accepted(of_one, ACCURACY_THRESHOLDS) - accepted(of_two, ACCURACY_THRESHOLDS)
        thresholds[rows] = ACCURACY_THRESHOLDS[np.argmax(score)]
        is_accepted[rows] = distances[rows] < thresholds[rows]
        at_far[rows] = distances[rows] < val_threshold(accepted(of_two, VAL_THRESHOLDS) / len(of_two), FAR)
    return _Decisions(float(np.mean(thresholds)), is_accepted, at_far)


def _remarks(pairs: ImagePairs, *, by_person: bool) -> Iterator[str]:
    people = set(pairs.identities)
    who = "people whom the pairs do not name" if "" in people else counted(len(people), "person")
    few = f"{who} and {counted(len(pairs.is_same), 'pair')} are too few for ten folds"
    if by_person:
        yield f"{few}: the threshold for each pair comes from the pairs that share no person with it"
    else:
        same_pairs = "the threshold is the best one for these same pairs, which flatters it"
        yield f"{few}, and for leaving people out: {same_pairs}"
    n_different = int(np.count_nonzero(~pairs.is_same))
    most = max(n_different, len(pairs.is_same) - n_different)
    if most > UNBALANCED * len(pairs.is_same):
        kind = "two people" if most == n_different else "one person"
        share = f"{most / len(pairs.is_same):.4f}"
        yield f"{most} of {len(pairs.is_same)} pairs are of {kind}: saying so of every pair has an accuracy of {share}"
