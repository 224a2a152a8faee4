"""From which score on a face is named: the threshold that lets no more strangers pass than was asked for."""

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
from finetune.verification import interval, least_rate

Scores = npt.NDArray[np.floating[Any]]
FAR = 0.01
MOST_PEOPLE, MOST_PHOTOS = 5_000, 20_000
"""That are left out in turn: more would say it no better."""
FOLDS = 10
"""Of people, for classifiers that can't leave one out without being trained again."""


@dataclasses.dataclass(frozen=True)
class Threshold:
    """A face is named where its score exceeds the value.

    Attributes:
        value: of the classifier's score.
        far: the false accept rate that was asked for: the chance that a stranger's photo is named. None where the
            value was given by hand.
        low, high: between these the rate lies, 95 % of the time.
        strangers: people that it comes from.
        source: which people these are, in words.
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
    """The lowest threshold whose expected false accept rate is at most `far`.

    A rate counts people alike, however many photos they have. Were each of n strangers to have one photo, it would be
    the k-th highest score, k = ⌊far (n + 1)⌋, which a further stranger exceeds with a probability of k / (n + 1), and
    the rate has the distribution Beta(k, n + 1 - k) (order statistics; conformal prediction's guarantee, which needs
    nothing but that strangers are drawn alike). With several photos each weighs its share of a person.

    Args:
        far: above 0, below 1.
        scores: [s], the highest that each photo reaches.
        strangers: int64 [s], whose it is.
        pairwise: the scores come of the strangers' likeness to one another: each high one stands for two people, and
            what n of them tell is taken to be what n / 2 independent ones would.
        source: in words.

    Raises:
        DataError: they are too few to promise this.
    """
    people, places, photos = np.unique(strangers, return_inverse=True, return_counts=True)
    n = len(people)
    independent = n / 2 if pairwise else float(n)
    if far < least_rate(independent) - 1e-12:
        needed = math.ceil(1 / far - 1 - 1e-9) * (2 if pairwise else 1)
        promised = f"no less than {least_rate(independent):.3g}" if n else "none"
        raise DataError(
            Problem(
                "",
                f"{source} ({n}) can promise a false accept rate of {promised}, not {far:g}, "
                f"for which it takes {needed}",
            )
        )
    order = np.argsort(-scores, kind="stable")
    weights = (1 / photos)[places][order]
    ordered = scores[order]
    above = np.concatenate([[0.0], np.cumsum(weights)])[np.searchsorted(-ordered, -ordered, side="left")]
    # People above, and the further one: the lowest score at which they are still few enough.
    fits = (above + 1) / (n + 1) <= far + 1e-12
    last = int(np.flatnonzero(fits)[-1])
    k = float(above[last]) + 1
    share = independent / n
    return Threshold(float(ordered[last]), far, *interval(k * share, (n + 1) * share - 1), n, source)


def calibrate(gallery: Gallery, classifier: Classifier, name: Name | Literal["head"], far: float = FAR) -> Threshold:
    """The threshold of a fitted classifier, from the gallery's strangers; where it has none, from its own people.

    These are then left out in turn: what a person's photos score against all others is what a stranger's would. A
    classifier other than the prototypes is trained again without a tenth of the people at a time.

    Args:
        name: what the classifier is called; `head` is a checkpoint's own, which can leave nobody out.
        far: above 0, below 1.

    Raises:
        DataError: there are too few people to promise this; says how many it takes.
    """
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
    """What becomes of the enrolled photos, each named by the prototypes without it; empty for other classifiers."""
    if not isinstance(classifier, NearestPrototype):
        return ""
    some = slice(None, None, max(1, len(gallery) // MOST_PHOTOS))
    embeddings, labels = gallery.embeddings[some], gallery.labels[some]
    own = classifier.own_left_out(embeddings, labels)
    able = np.isfinite(own)
    if not able.any():
        return ""
    own, others = own[able], classifier.nearest_other(embeddings[able], labels[able])[1]
    rightly = float(((own > others) & (own > threshold.value)).mean())
    unknown = float((np.maximum(own, others) <= threshold.value).mean())
    return (
        f"of {len(own)} enrolled photos, each left out in turn, {rightly:.4f} are named rightly, "
        f"{unknown:.4f} unknown, {max(0.0, 1 - rightly - unknown):.4f} as somebody else"
    )
