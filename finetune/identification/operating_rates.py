"""Open-set identification: TPIR at thresholds that keep the false positive identification rate (FPIR)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles, Floats, Labels
from finetune.brief import Brief
from finetune.errors import DataError, Problem
from finetune.identification.error_curves import ErrorCurve, error_curve
from finetune.identification.intervals import Rate, rate_of
from finetune.identification.thresholds import conservative_threshold
from finetune.verification import interval
from finetune.words import counted


@dataclasses.dataclass(frozen=True)
class OperatingRates:
    """Rates of an open-set identification at one threshold.

    Attributes:
        target: requested FPIR.
        threshold: score that an accepted one must exceed.
        fpir: measured share of non-mated probes with a score above the threshold. Its interval is that of the rate of
            further people.
        tpir: share of mated probes that are named correctly, with a score above the threshold; 1 - FNIR.
    """

    target: float
    threshold: float
    fpir: Rate
    tpir: Rate

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name, ready for `json.dump`."""
        rates = {"fpir": self.fpir._asdict(), "tpir": self.tpir._asdict()}
        return {"target": self.target, "threshold": self.threshold} | rates


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Probes(Brief):
    """Scores of an identification.

    Attributes:
        scores: highest score of each mated probe, whose person is enrolled, [p].
        correct: True where that score is the own person's, bool [p].
        subjects: label of each mated probe's person, int64 [p].
        others: highest score of each non-mated probe, whose person is not enrolled, [s].
        other_subjects: label of each non-mated probe's person, int64 [s].
    """

    scores: Floats
    correct: npt.NDArray[np.bool_]
    subjects: Labels
    others: Floats
    other_subjects: Labels

    @property
    def own(self) -> Doubles:
        """Score of each mated probe if it is the own person's; -inf if somebody else scores highest."""
        return np.where(self.correct, np.asarray(self.scores, np.float64), -np.inf)


def tpir_at(probes: Probes, targets: Sequence[float]) -> list[OperatingRates]:
    """Return TPIR and FPIR at the conservative threshold for each requested FPIR.

    The threshold is that of `conservative_threshold`: the expected FPIR of further people is at most the requested
    rate. IJB's and NIST's reports take the threshold from the sample instead, where the expected rate is above it.

    Args:
        probes: scores of the probes.
        targets: requested false positive identification rates, each above 0 and below 1. A rate that the people are too
            few for is left out.

    Raises:
        DataError: there is no mated or no non-mated probe.
    """
    if not len(probes.scores) or not len(probes.others):
        found = f"{counted(len(probes.scores), 'mated probe')} and {len(probes.others)} non-mated"
        raise DataError(Problem("identification", f"found {found}", "give one of each"))
    found_at = [(target, conservative_threshold(probes.others, probes.other_subjects, target)) for target in targets]
    return [
        OperatingRates(
            target,
            at.value,
            Rate(float(np.mean(probes.others > at.value)), *interval(at.k, at.people), len(probes.others)),
            rate_of(probes.own > at.value, probes.subjects),
        )
        for target, at in found_at
        if at is not None
    ]


def identification_curve(probes: Probes) -> ErrorCurve:
    """Compute FPIR and FNIR at every threshold; see `error_curve`."""
    return error_curve(probes.own, probes.others, probes.subjects, probes.other_subjects)
