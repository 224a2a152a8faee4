"""False match and false non-match rates by group of people, at the threshold of the whole result."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.errors import DataError, Problem
from finetune.verification.comparison import refuse_different
from finetune.verification.pair_groups import UNKNOWN, Column, PairGroups
from finetune.verification.result import VerificationResult
from finetune.verification.shares import (
    LEAST_PAIRS,
    LEAST_PEOPLE,
    Share,
    effective_people,
    enough,
    quantile,
    share,
    uses_of,
    variance,
)

Bools = npt.NDArray[np.bool_]
TOO_FEW = f"a rate takes {LEAST_PAIRS} pairs, of {LEAST_PEOPLE} people"


class GroupRates(NamedTuple):
    """Rates of one group, over pairs whose people are all of this group.

    Attributes:
        group: name of the group.
        accuracy: share of the pairs that are decided correctly.
        fnmr: false non-match rate (FNMR), the share of the pairs of one person that are not accepted.
        fmr: false match rate (FMR), the share of the pairs of two people that are accepted.
    """

    group: str
    accuracy: Share
    fnmr: Share
    fmr: Share


class BetweenRate(NamedTuple):
    """False match rate of pairs of two people of two groups.

    Attributes:
        groups: names of the two groups.
        fmr: false match rate.
    """

    groups: tuple[str, str]
    fmr: Share


class Ratio(NamedTuple):
    """Worst rate over best rate of the groups whose rates are known.

    Attributes:
        worst, best: names of the groups with the highest and the lowest rate.
        ratio: highest rate divided by the lowest; None if the lowest is 0.
        overlap: True if the intervals of the two rates overlap. Chance may then explain the ratio.
    """

    worst: str
    best: str
    ratio: float | None
    overlap: bool


@dataclasses.dataclass(frozen=True, repr=False)
class ColumnRates(Brief):
    """Rates of all groups of a column.

    Attributes:
        column: heading of the column.
        groups: rates within each group.
        between: false match rates between each two groups.
        unknown: number of pairs that are left out, because the group of somebody in them is not known.
    """

    column: str
    groups: tuple[GroupRates, ...]
    between: tuple[BetweenRate, ...]
    unknown: int = 0

    def worst_over_best(self, rate: Literal["fnmr", "fmr"]) -> Ratio | None:
        """Return the ratio of the worst group to the best one, or None if fewer than two groups have this rate."""
        known = [(group.group, found) for group in self.groups if (found := getattr(group, rate)).rate is not None]
        if len(known) < 2:
            return None
        worst, best = (choose(known, key=lambda one: one[1].rate) for choose in (max, min))
        ratio = worst[1].rate / best[1].rate if best[1].rate else None
        return Ratio(worst[0], best[0], ratio, overlap=worst[1].low <= best[1].high)

    def to_json(self) -> dict[str, Any]:
        """Return rates and ratios by name, ready for `json.dump`."""
        ratios = {name: self.worst_over_best(name) for name in ("fnmr", "fmr")}
        return {
            "column": self.column,
            "groups": [
                {"group": one.group, **{name: getattr(one, name)._asdict() for name in ("accuracy", "fnmr", "fmr")}}
                for one in self.groups
            ],
            "between": [{"groups": list(one.groups), "fmr": one.fmr._asdict()} for one in self.between],
            "worst_over_best": {name: ratio and ratio._asdict() for name, ratio in ratios.items()},
            "unknown": self.unknown,
        }


@dataclasses.dataclass(frozen=True, repr=False)
class GroupResult(Brief):
    """Rates by group, for each column of the file of groups.

    Attributes:
        columns: rates by column.
    """

    columns: tuple[ColumnRates, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """Return the columns in order, ready for `json.dump`."""
        return [column.to_json() for column in self.columns]


def group_rates(result: VerificationResult, groups: PairGroups) -> GroupResult:
    """Return the rates of each group at the threshold of the whole result.

    No group gets a threshold of its own. The decisions are the result's: with folds, each pair is decided in its fold,
    at the threshold that gives the best accuracy on the other folds. These thresholds hardly differ, and are one for
    all groups.

    Args:
        result: result on the pairs, by any protocol.
        groups: groups of the people in the same pairs.

    Raises:
        DataError: the result is of other pairs, or an older version wrote it.
    """
    same = _refuse_others(result, groups)
    return GroupResult(tuple(_column_rates(column, ~result.correct, same, groups) for column in groups.columns))


class WorstGroup(NamedTuple):
    """Group with the lowest accuracy of all groups that have enough pairs.

    Attributes:
        column, group: names of the column and of the group.
        accuracy: its accuracy, 0 to 1.
    """

    column: str
    group: str
    accuracy: float


def worst_group(result: VerificationResult, groups: PairGroups) -> WorstGroup:
    """Return the group with the lowest accuracy, of all columns; of equal ones the first.

    Raises:
        DataError: no group has enough pairs, or the result is of other pairs.
    """
    _refuse_others(result, groups)
    return min(_accuracies(result, groups), key=lambda one: one[0].accuracy)[0]


class WorstChange(NamedTuple):
    """Change of the lowest accuracy among groups, after minus before, with its 95 % interval."""

    before: WorstGroup
    after: WorstGroup
    difference: float
    low: float
    high: float


def compare_worst(before: VerificationResult, after: VerificationResult, groups: PairGroups) -> WorstChange:
    """Return the change of the lowest accuracy among groups; the group need not be the same one.

    The interval is the difference's, plus and minus its standard errors. These allow for pairs that share a person or
    are in both groups, and for one more changed decision, as in `paired_interval`.

    Raises:
        DataError: the results are not of the same pairs as each other and the groups, or no group has enough pairs.
    """
    refuse_different(before, after)
    for result in (before, after):
        _refuse_others(result, groups)
    (worst, rows), (later, later_rows) = (
        min(_accuracies(result, groups), key=lambda one: one[0].accuracy) for result in (before, after)
    )
    used = rows | later_rows
    # The difference of two means over some of the pairs is the mean of these values over all pairs in use.
    values = np.zeros(len(used))
    values[later_rows] += (after.correct[later_rows] - later.accuracy) * used.sum() / later_rows.sum()
    values[rows] -= (before.correct[rows] - worst.accuracy) * used.sum() / rows.sum()
    first, second = groups.first[used], groups.second[used]
    spread = variance(values[used], first, second) + 1 / min(rows.sum(), later_rows.sum()) ** 2
    half = quantile(effective_people(uses_of(first, second))) * math.sqrt(spread)
    difference = later.accuracy - worst.accuracy
    return WorstChange(worst, later, difference, max(difference - half, -1.0), min(difference + half, 1.0))


def without_rates(groups: PairGroups) -> bool:
    """Return whether no group of any column has enough pairs for an accuracy."""
    return not any(
        enough(groups.first[rows], groups.second[rows])
        for column in groups.columns
        for number in range(len(column.groups))
        for rows in [_within(column, number, groups)]
    )


def _column_rates(column: Column, wrong: Bools, same: Bools, groups: PairGroups) -> ColumnRates:
    of_first, of_second = column.of[groups.first], column.of[groups.second]

    def rate(rows: Bools, counted: Bools = wrong) -> Share:
        return share(counted[rows], groups.first[rows], groups.second[rows])

    within = []
    for number, name in enumerate(column.groups):
        rows = _within(column, number, groups)
        within.append(GroupRates(name, rate(rows, ~wrong), rate(rows & same), rate(rows & ~same)))
    between = [
        BetweenRate((column.groups[a], column.groups[b]), rate(rows & ~same))
        for a, b in itertools.combinations(range(len(column.groups)), 2)
        for rows in [((of_first == a) & (of_second == b)) | ((of_first == b) & (of_second == a))]
    ]
    unknown = int(np.count_nonzero((of_first == UNKNOWN) | (of_second == UNKNOWN)))
    return ColumnRates(column.name, tuple(within), tuple(between), unknown)


def _within(column: Column, number: int, groups: PairGroups) -> Bools:
    """Return the pairs whose people are both of one group, bool [n]."""
    return (column.of[groups.first] == number) & (column.of[groups.second] == number)


def _accuracies(result: VerificationResult, groups: PairGroups) -> list[tuple[WorstGroup, Bools]]:
    """Return each group that has enough pairs, with its accuracy and its pairs."""
    found = []
    for column in groups.columns:
        for number, name in enumerate(column.groups):
            rows = _within(column, number, groups)
            if enough(groups.first[rows], groups.second[rows]):
                found.append((WorstGroup(column.name, name, float(np.mean(result.correct[rows]))), rows))
    if not found:
        raise DataError(Problem("groups", "found no group with enough pairs", TOO_FEW))
    return found


def _refuse_others(result: VerificationResult, groups: PairGroups) -> Bools:
    """Return which pairs are of one person, if groups and result are of equally many pairs; else raise a DataError."""
    if result.is_same is None:
        raise DataError(Problem("groups", "found a result without its distances", "measure it again"))
    if len(groups.first) != result.n_pairs:
        found = f"found groups for {len(groups.first)} pairs and a result on {result.n_pairs}"
        raise DataError(Problem("groups", found, "give both for the same pairs"))
    return result.is_same
