"""Error rates at every threshold: the points of DET and ROC curves, in verification and in open-set identification."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles, Floats, Labels
from finetune.brief import Brief
from finetune.errors import DataError, Problem
from finetune.identification.intervals import rate_intervals
from finetune.verification import VerificationResult
from finetune.verification.protocols import area, equal_error_rate
from finetune.words import counted

AT_ONCE = 1024
"""Thresholds whose intervals are computed at once, which bounds the memory."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ErrorCurve(Brief):
    """False positives and false negatives at every threshold; a score is accepted if it exceeds the threshold.

    In verification the rates are FMR and FNMR. In open-set identification they are FPIR and FNIR. A DET curve is one
    over the other. A ROC curve is 1 - `negatives` over `positives`.

    Attributes:
        thresholds: distinct scores in descending order, then -inf, float64 [points].
        positives: share of impostors that are accepted, float64 [points], ascending.
        negatives: share of genuine ones that are not accepted, float64 [points], descending.
        positive_intervals, negative_intervals: 95 % intervals, float64 [points, 2].
        n_genuine, n_impostors: numbers of scores.
    """

    thresholds: Doubles
    positives: Doubles
    negatives: Doubles
    positive_intervals: Doubles
    negative_intervals: Doubles
    n_genuine: int
    n_impostors: int

    @property
    def auc(self) -> float:
        """Area under the ROC curve."""
        return area(self.positives, 1 - self.negatives)

    @property
    def eer(self) -> float:
        """Equal error rate, at which both rates cross."""
        crossing = equal_error_rate(self.positives, 1 - self.negatives)
        assert crossing is not None  # the last threshold accepts every impostor
        return crossing

    def corners(self) -> npt.NDArray[np.bool_]:
        """Return True for the curve's ends and the points where it turns, which hold all of it: bool [points]."""
        flat = [np.diff(rates) == 0 for rates in (self.positives, self.negatives)]
        straight = (flat[0][:-1] & flat[0][1:]) | (flat[1][:-1] & flat[1][1:])
        return np.concatenate([[True], ~straight, [True]])

    def to_json(self, positives: str, negatives: str) -> dict[str, Any]:
        """Return the corners of the curve, ready for `json.dump`.

        Args:
            positives, negatives: names of the rates, such as `fmr` and `fnmr`.
        """
        kept = self.corners()
        return {
            "thresholds": [*self.thresholds[kept][:-1].tolist(), None],  # JSON has no -inf
            positives: self.positives[kept].tolist(),
            f"{positives}_intervals": self.positive_intervals[kept].tolist(),
            negatives: self.negatives[kept].tolist(),
            f"{negatives}_intervals": self.negative_intervals[kept].tolist(),
            "auc": self.auc,
            "eer": self.eer,
            "n_genuine": self.n_genuine,
            "n_impostors": self.n_impostors,
        }


def error_curve(
    genuine: Floats,
    impostors: Floats,
    genuine_subjects: Labels | None = None,
    impostor_subjects: Labels | None = None,
) -> ErrorCurve:
    """Compute both error rates at every threshold (ISO/IEC 19795-1; Martin et al. 1997, "The DET curve").

    scikit-learn's `roc_curve` gives the same points, but takes no score of -inf.

    Args:
        genuine: scores of pairs of one person, or of probes of enrolled people, [g]. A score of -inf is never accepted:
            it stands for a probe for which another person scores highest.
        impostors: scores of pairs of two people, or highest scores of probes of people who are not enrolled, [i].
        genuine_subjects, impostor_subjects: label of each score's person, int64 [g] and [i]. With several scores per
            person, the intervals come from a bootstrap over people.

    Raises:
        DataError: one of the two is empty, or holds NaN.
    """
    own, others = np.asarray(genuine, np.float64), np.asarray(impostors, np.float64)
    if not len(own) or not len(others):
        found = f"found {counted(len(own), 'genuine score')} and {counted(len(others), 'impostor score')}"
        raise DataError(Problem("error rates", found, "give one of each"))
    scores = np.concatenate([own, others])
    if np.isnan(scores).any():
        raise DataError(Problem("error rates", "found NaN among the scores", "check the model that gave them"))
    thresholds = np.append(np.unique(scores[np.isfinite(scores)])[::-1], -np.inf)  # [points]
    accepted, accepted_impostors = _share_above(own, thresholds), _share_above(others, thresholds)
    accepted_intervals = _intervals(own, thresholds, genuine_subjects)
    return ErrorCurve(
        thresholds,
        accepted_impostors,
        1 - accepted,
        _intervals(others, thresholds, impostor_subjects),
        1 - accepted_intervals[:, ::-1],
        len(own),
        len(others),
    )


def verification_errors(result: VerificationResult) -> dict[str, Any] | None:
    """Return the error rates of a verification in the words of ISO/IEC 19795, ready for `json.dump`.

    `fmr` and `fnmr` are those of the result: its false accept rate, and 1 - validation rate. `det` is the curve over
    all pairs at once, with distances as thresholds, below which pairs are accepted. Its intervals are Wilson's. Pairs
    that share people carry less information than independent ones, so the intervals are slightly too narrow.

    Returns:
        Rates, or None if the pairs' distances were not kept.
    """
    if result.distances is None or result.is_same is None:
        return None
    scores = -result.distances.astype(np.float64)
    det = error_curve(scores[result.is_same], scores[~result.is_same]).to_json("fmr", "fnmr")
    det["thresholds"] = [None if score is None else -score for score in det["thresholds"]]
    return {"fmr_target": result.far_target, "fmr": result.far, "fnmr": 1 - result.val, "det": det}


def _share_above(scores: Doubles, thresholds: Doubles) -> Doubles:
    """Return the share of scores [n] above each threshold: [points]."""
    above = len(scores) - np.searchsorted(np.sort(scores), thresholds, side="right")
    shares: Doubles = above / len(scores)
    return shares


def _intervals(scores: Doubles, thresholds: Doubles, subjects: Labels | None) -> Doubles:
    """Return the interval of the share above each threshold: [points, 2]."""
    blocks = np.split(thresholds, range(AT_ONCE, len(thresholds), AT_ONCE))
    return np.concatenate([rate_intervals(scores[:, np.newaxis] > block, subjects) for block in blocks])
