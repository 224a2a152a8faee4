"""Calibration of the score threshold: the share of strangers that it accepts is at most a requested rate."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from finetune.errors import DataError, Problem
from finetune.gallery.classifiers import Classifier, Name, SoftmaxHead, make
from finetune.gallery.gallery import Gallery
from finetune.gallery.prototypes import NearestPrototype

Scores = npt.NDArray[np.floating[Any]]
FAR = 0.01
MOST_PEOPLE, MOST_PHOTOS = 5_000, 20_000
"""People and photos that are left out in turn, at most: more would not improve the estimate."""
FOLDS = 10
"""Folds of people, for classifiers that must be trained again to leave a person out."""


@dataclasses.dataclass(frozen=True)
class Threshold:
    """Score above which a face is named.

    Attributes:
        value: score of the classifier.
        far: requested false accept rate: the probability that a stranger's photo is named. None if the value was
            given by hand.
        low, high: 95 % interval of the false accept rate.
        strangers: number of people behind the estimate.
        source: description of these people.
    """

    value: float
    far: float | None = None
    low: float = math.nan
    high: float = math.nan
    strangers: int = 0
    source: str = "given"

    def __str__(self) -> str:
        if self.far is None:
            return f"named above a score of {self.value:.4f}, as given"
        return (
            f"named above a score of {self.value:.4f}, for a false accept rate of {self.far:g} "
            f"(95 %: {self.low:.4f} to {self.high:.4f}; from {self.strangers} {self.source})"
        )


def threshold_at(
    far: float, scores: Scores, strangers: npt.NDArray[np.int64], *, pairwise: bool, source: str
) -> Threshold:
    """Return the lowest threshold whose expected false accept rate is at most `far`.

    It is that of `conservative_threshold`. With one photo per stranger, the rate has the distribution
    Beta(k, n + 1 - k).

    Args:
        far: false accept rate, 0 < far < 1.
        scores: highest score of each photo, [s].
        strangers: label of each photo's person, int64 [s].
        pairwise: True if the scores are similarities of the strangers to one another. Each high score then concerns
            two people, so n people count as n / 2 independent ones.
        source: description of the people.

    Raises:
        DataError: there are too few people to promise this rate.
    """
    from finetune.identification import conservative_threshold
    from finetune.verification import interval, least_rate, rounded_up

    n = len(np.unique(strangers))
    independent = n / 2 if pairwise else float(n)
    found = conservative_threshold(scores, strangers, far) if far >= least_rate(independent) - 1e-12 else None
    if found is None:
        needed = math.ceil(1 / far - 1 - 1e-9) * (2 if pairwise else 1)
        promised = f"no less than {rounded_up(least_rate(independent))}" if n else "none"
        raise DataError(
            Problem(
                "",
                f"{source} ({n}) can promise a false accept rate of {promised}, not {far:g}, "
                f"for which it takes {needed}",
            )
        )
    share = independent / n
    return Threshold(found.value, far, *interval(found.k * share, (n + 1) * share - 1), n, source)


def calibrate(gallery: Gallery, classifier: Classifier, name: Name | Literal["head"], far: float = FAR) -> Threshold:
    """Calibrate the threshold of a fitted classifier, with the gallery's strangers or else with its own people.

    Enrolled people are left out in turn: the scores of a person's photos against all others stand for a stranger's.
    A classifier other than the prototypes is trained again without a tenth of the people at a time.

    Args:
        name: name of the classifier. `head` is the checkpoint's own, which can't leave anybody out.
        far: false accept rate, 0 < far < 1.

    Raises:
        DataError: there are too few people to promise this rate; the message gives the number needed.
    """
    from finetune.verification import least_rate

    if len(gallery.strangers):
        photos = gallery.strangers
        rows = photos.prelogits() if isinstance(classifier, SoftmaxHead) else photos.embeddings
        scores = classifier.best(rows).scores[:, 0]
        return threshold_at(far, scores, gallery.stranger_labels, pairwise=False, source="strangers")
    source = "enrolled people, each left out in turn"
    people = len(gallery.people)
    if name == "head":
        raise DataError(Problem("head", "a threshold for the checkpoint's own classifier takes strangers"))
    if far < least_rate(people / 2):
        return threshold_at(far, np.empty(0), np.arange(people), pairwise=True, source="enrolled people")
    labels, embeddings = gallery.labels, gallery.embeddings
    if isinstance(classifier, NearestPrototype):
        some = gallery.labels % -(-people // MOST_PEOPLE) == 0
        labels = labels[some]
        scores = classifier.nearest_other(embeddings[some], labels)[1]
    else:
        scores = np.empty(len(gallery))
        for fold in range(FOLDS):
            out = labels % FOLDS == fold
            if out.any():
                rest = make(name, people - len(np.unique(labels[out])))
                rest.fit(embeddings[~out], labels[~out])
                scores[out] = rest.best(embeddings[out]).scores[:, 0]
    return threshold_at(far, scores, labels, pairwise=True, source=source)


def left_out_share(gallery: Gallery, classifier: Classifier, threshold: Threshold) -> str:
    """Describe how the prototypes name each enrolled photo that is left out; empty for other classifiers."""
    if not isinstance(classifier, NearestPrototype):
        return ""
    some = slice(None, None, max(1, len(gallery) // MOST_PHOTOS))
    embeddings, labels = gallery.embeddings[some], gallery.labels[some]
    own = classifier.own_left_out(embeddings, labels)
    able = np.isfinite(own)
    if not able.any():
        return ""
    own, others = own[able], classifier.nearest_other(embeddings[able], labels[able])[1]
    correctly = float(((own > others) & (own > threshold.value)).mean())
    unknown = float((np.maximum(own, others) <= threshold.value).mean())
    return (
        f"of {len(own)} enrolled photos, each left out in turn, {correctly:.4f} are named correctly, "
        f"{unknown:.4f} unknown, {max(0.0, 1 - correctly - unknown):.4f} as somebody else"
    )
