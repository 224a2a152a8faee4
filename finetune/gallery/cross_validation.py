"""Tests of a classifier on the training images: a split by share, and stratified cross-validation."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold

from finetune.arrays import Floats, Labels
from finetune.brief import Brief
from finetune.errors import DataError, Problem
from finetune.gallery.classifiers import Name
from finetune.gallery.published import SEED, classify
from finetune.words import counted

Rows = npt.NDArray[np.int64]


class Split(NamedTuple):
    """Rows of the images to train on, and rows of the images to test on, both int64 and sorted."""

    train: Rows
    test: Rows


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CrossValidated(Brief):
    """Results of a cross-validation.

    Attributes:
        predictions: predicted label of each image, by the classifier that was not trained on it, int64 [n].
        accuracies: share of correct predictions in each fold, float64 [folds].
        macro_f1: mean of the people's F1 scores in each fold, float64 [folds].
        scores: score of each image's predicted label, float64 [n]; see `Classified`.
    """

    predictions: Labels
    accuracies: npt.NDArray[np.float64]
    macro_f1: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]


def split_by_share(names: Sequence[str], share: float, seed: int = SEED) -> Split:
    """Draw a share of each person's images to test on, rounded, but at least one image and never all of them.

    NumPy's legacy generator draws them, person by person in order of name, as in `split_dataset`.

    Args:
        names: name of the person in each image, [n].
        share: share of the images to test on, above 0 and below 1.
        seed: seed of the generator.

    Raises:
        DataError: there are fewer than two people, or somebody has one image.
    """
    _refuse_few(names, 2, "a split takes one to train on and one to test on")
    generator = np.random.RandomState(seed)
    people, labels = np.unique(np.asarray(names), return_inverse=True)
    is_test = np.zeros(len(names), bool)
    for label in range(len(people)):
        rows = np.flatnonzero(labels == label)
        count = min(max(1, round(share * len(rows))), len(rows) - 1)
        is_test[generator.permutation(rows)[:count]] = True
    return Split(np.flatnonzero(~is_test), np.flatnonzero(is_test))


def split_in_folds(names: Sequence[str], folds: int, seed: int = SEED) -> list[Split]:
    """Return the splits of scikit-learn's `StratifiedKFold(folds, shuffle=True, random_state=seed)`.

    Each image is tested on once, and each fold has the same share of each person's images, up to one image.

    Args:
        names: name of the person in each image, [n].
        folds: number of folds, at least 2.
        seed: seed of the shuffle.

    Raises:
        DataError: there are fewer than two people, or somebody has fewer images than there are folds.
    """
    _refuse_few(names, folds, f"each of the {folds} folds tests on one at least")
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(len(names)), np.asarray(names))
    return [Split(np.asarray(train, np.int64), np.asarray(test, np.int64)) for train, test in parts]


def cross_validate(
    name: Name, embeddings: Floats, labels: Labels, splits: Sequence[Split], seed: int = SEED
) -> CrossValidated:
    """Train a classifier for each split, and test it on the rest.

    Args:
        name: classifier.
        embeddings: embeddings, [n, E].
        labels: labels, [n].
        splits: splits from `split_in_folds`, which test on each row once.
        seed: seed of the classifiers.

    Raises:
        DataError: the classifier can't tell that many people apart.
    """
    predictions = np.empty(len(labels), np.int64)
    scores = np.empty(len(labels))
    figures = []
    for train, test in splits:
        done = classify(name, embeddings[train], labels[train], embeddings[test], labels[test], seed)
        predictions[test] = done.predictions
        assert done.scores is not None  # `classify` gives them
        scores[test] = done.scores
        figures.append((done.accuracy, done.macro_f1))
    accuracies, macro_f1 = np.array(figures, np.float64).T
    return CrossValidated(predictions, accuracies, macro_f1, scores)


def _refuse_few(names: Sequence[str], least: int, why: str) -> None:
    """Raise `DataError` if there are fewer than two people, or if somebody has fewer images than needed."""
    counts = Counter(names)
    if len(counts) < 2:
        raise DataError(Problem("", f"images of {counted(len(counts), 'person')}; it takes two", "add photos"))
    few = [person for person, count in counts.items() if count < least]
    if few:
        person = min(few, key=lambda person: (counts[person], person))
        others = f", and {counted(len(few) - 1, 'person')} more too few" if len(few) > 1 else ""
        raise DataError(
            Problem(
                "",
                f"{person} has {counted(counts[person], 'image')}{others}; {why}",
                f"leave such people out by --min-images {least}" + (", or lower --folds" if least > 2 else ""),
            )
        )
