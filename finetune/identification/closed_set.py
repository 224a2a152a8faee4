"""Cumulative match characteristic: the share of probes whose person is among the k most similar ones (closed set)."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from finetune.arrays import Doubles, Floats, Labels
from finetune.brief import Brief
from finetune.errors import DataError, Problem
from finetune.identification.intervals import Rate, rate_intervals


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CMC(Brief):
    """Identification rates at rank 1, 2, … of a closed set, in which every probe's person is enrolled.

    Attributes:
        rates: share of probes whose person has rank k or better, float64 [ranks]; the first is that of rank 1.
        intervals: 95 % interval of each rate, float64 [ranks, 2].
        n_probes: number of probes.
    """

    rates: Doubles
    intervals: Doubles
    n_probes: int

    def at(self, rank: int) -> Rate:
        """Return the rate at a rank from 1; beyond the last one it stays what it is there."""
        place = min(rank, len(self.rates)) - 1
        low, high = self.intervals[place].tolist()
        return Rate(float(self.rates[place]), low, high, self.n_probes)

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name, ready for `json.dump`."""
        return {"rates": self.rates.tolist(), "intervals": self.intervals.tolist(), "n_probes": self.n_probes}


def ranks(scores: Floats, columns: Labels) -> Labels:
    """Return the rank of each probe's own person, from 1: int64 [p].

    Somebody else with the same score comes first: ties are not counted in the system's favour.

    Args:
        scores: scores of all people for each probe, [p, people]; higher is more similar.
        columns: column of each probe's own person, int64 [p].
    """
    own = scores[np.arange(len(scores)), columns]
    return np.asarray((scores >= own[:, np.newaxis]).sum(axis=1), np.int64)


def cumulative_match(own_ranks: Labels, most: int, subjects: Labels | None = None) -> CMC:
    """Compute the curve up to a rank (ISO/IEC 19795-1; Phillips et al. 2000, "The FERET evaluation methodology").

    Args:
        own_ranks: rank of each probe's own person, from 1, int64 [p]; see `ranks`.
        most: last rank, from 1.
        subjects: label of each probe's person, int64 [p]. With several probes per person, the intervals come from a
            bootstrap over people.

    Raises:
        DataError: there is no probe.
    """
    if not len(own_ranks):
        raise DataError(Problem("identification", "found no probe of an enrolled person", "give at least one"))
    hits = own_ranks[:, np.newaxis] <= np.arange(1, most + 1)  # [p] -> [p, ranks]
    return CMC(hits.mean(axis=0), rate_intervals(hits, subjects), len(own_ranks))
