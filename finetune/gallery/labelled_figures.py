"""Figures of an identification of labelled photos: CMC, rates with intervals, error rates, and tables by person."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from finetune.arrays import Labels
from finetune.brief import Brief
from finetune.gallery.labelled import Labelled, LabelledPhotos
from finetune.identification import (
    CMC,
    FPIRS,
    ErrorCurve,
    OperatingRates,
    Probes,
    Rate,
    cumulative_match,
    identification_curve,
    rate_of,
    tpir_at,
)

RANKS = (1, 5, 10)
MOST_RANK = 50
"""Last rank of the curve."""


@dataclasses.dataclass(frozen=True)
class PersonCounts:
    """Answers to the photos of one enrolled person.

    Attributes:
        name: name of the person.
        photos: number of photos.
        right: number of photos that are named correctly.
        unknown: number of photos without a named face.
        confused: number of photos by the name of somebody else that they got, most frequent first.
    """

    name: str
    photos: int
    right: int
    unknown: int
    confused: dict[str, int]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LabelledFigures(Brief):
    """Figures of labelled photos, each photo a probe.

    Attributes:
        tpir: share of photos of enrolled people that are named correctly; 1 - FNIR. None without such photos.
        fpir: share of photos of others that are named as somebody. None without such photos.
        cmc: closed-set rates of the photos of enrolled people; None if their ranks are not known.
        rates: TPIR at the FPIRs that the others are enough for.
        curve: FPIR and FNIR at every threshold; None without photos of both kinds.
        people: counts by person, worst first.
    """

    tpir: Rate | None
    fpir: Rate | None
    cmc: CMC | None
    rates: tuple[OperatingRates, ...]
    curve: ErrorCurve | None
    people: tuple[PersonCounts, ...]

    def rows(self) -> list[tuple[str, Rate]]:
        """Return the rates with their names, for a table."""
        named: list[tuple[str, Rate | None]] = [
            *((f"rank {rank}", self.cmc.at(rank)) for rank in RANKS if self.cmc and rank <= len(self.cmc.rates)),
            ("TPIR (1 - FNIR) at this threshold", self.tpir),
            ("FPIR at this threshold", self.fpir),
            *((f"TPIR at FPIR {at.target:g} (above {at.threshold:.4f})", at.tpir) for at in self.rates),
        ]
        return [(name, found) for name, found in named if found is not None]

    def confusions(self) -> list[tuple[str, str, int]]:
        """Return (person, name they got, number of photos), most frequent first."""
        found = [(person.name, name, n) for person in self.people for name, n in person.confused.items()]
        return sorted(found, key=lambda confusion: (-confusion[2], confusion[:2]))

    def to_json(self) -> dict[str, Any]:
        """Return the figures, ready for `json.dump`."""
        return {
            "tpir": self.tpir._asdict() if self.tpir else None,
            "fnir": 1 - self.tpir.value if self.tpir else None,
            "fpir": self.fpir._asdict() if self.fpir else None,
            "cmc": self.cmc.to_json() if self.cmc else None,
            "rates": [at.to_json() for at in self.rates],
            "curve": self.curve.to_json("fpir", "fnir") if self.curve else None,
            "people": [dataclasses.asdict(person) for person in self.people],
            "confusions": [list(confusion) for confusion in self.confusions()],
        }


def measure_labelled(photos: LabelledPhotos, n_people: int) -> LabelledFigures:
    """Compute the figures of labelled photos. Intervals come from a bootstrap over people with several photos.

    Args:
        photos: labelled photos.
        n_people: number of people whom the classifier tells apart; ranks end there.
    """
    own, others = photos.own, photos.others
    probes = Probes(
        np.array([photo.score for photo in own]),
        np.array([photo.first for photo in own], bool),
        _labels(own),
        np.array([photo.score for photo in others]),
        _labels(others),
    )
    ranks = [photo.rank for photo in own]
    known = [rank for rank in ranks if rank is not None]
    named_right = np.array([photo.owner in photo.names for photo in own], bool)
    named_others = np.array([bool(photo.names) for photo in others], bool)
    closed = own and len(known) == len(own)
    both = own and others
    return LabelledFigures(
        rate_of(named_right, probes.subjects) if own else None,
        rate_of(named_others, probes.other_subjects) if others else None,
        cumulative_match(np.array(known), min(MOST_RANK, n_people), probes.subjects) if closed else None,
        tuple(tpir_at(probes, FPIRS)) if both else (),
        identification_curve(probes) if both else None,
        tuple(_by_person(own)),
    )


def _labels(photos: Sequence[Labelled]) -> Labels:
    """Return a label per folder: int64 [n]."""
    return np.unique([photo.folder for photo in photos], return_inverse=True)[1].astype(np.int64)


def _by_person(photos: Sequence[Labelled]) -> list[PersonCounts]:
    """Return the counts by person, those with the most wrong photos first."""
    by_owner: dict[str, list[Labelled]] = {}
    for photo in photos:
        by_owner.setdefault(photo.owner or "", []).append(photo)
    counts = []
    for owner, theirs in by_owner.items():
        wrong = [photo.names for photo in theirs if photo.names and owner not in photo.names]
        confused = Counter(name for names in wrong for name in dict.fromkeys(names))
        right = sum(owner in photo.names for photo in theirs)
        unknown = sum(not photo.names for photo in theirs)
        counts.append(PersonCounts(owner, len(theirs), right, unknown, dict(confused.most_common())))
    return sorted(counts, key=lambda person: (person.right - person.photos, person.name))
