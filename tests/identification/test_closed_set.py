"""Ranks and CMC equal a count by definition, ties included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.errors import DataError
from finetune.identification.closed_set import cumulative_match, ranks


@st.composite
def closed_sets(draw) -> tuple[np.ndarray, np.ndarray]:
    """Draw scores with many ties, and each probe's own column."""
    probes, people = draw(st.integers(1, 12)), draw(st.integers(1, 6))
    values = st.lists(st.integers(0, 4), min_size=people, max_size=people)
    scores = draw(st.lists(values, min_size=probes, max_size=probes))
    columns = draw(st.lists(st.integers(0, people - 1), min_size=probes, max_size=probes))
    return np.array(scores, float), np.array(columns)


@settings(max_examples=1000)
@given(closed_sets())
def test_they_equal_brute_force_where_ties_count_against_the_probe(case):
    scores, columns = case
    by_hand = [
        1 + sum(score >= row[own] for column, score in enumerate(row) if column != own)
        for row, own in zip(scores.tolist(), columns.tolist(), strict=True)
    ]
    assert ranks(scores, columns).tolist() == by_hand
    curve = cumulative_match(np.array(by_hand), 6)
    assert curve.rates.tolist() == [sum(own <= k for own in by_hand) / len(by_hand) for k in range(1, 7)]
    assert (np.diff(curve.rates) >= 0).all()
    assert ((curve.intervals[:, 0] <= curve.rates) & (curve.rates <= curve.intervals[:, 1])).all()
    assert curve.at(99) == curve.at(6)


def test_people_without_any_score_share_the_last_rank():
    assert ranks(np.array([[0.0, 0.9, 0.0, 0.0]]), np.array([0])).tolist() == [4]


def test_several_probes_of_a_person_widen_the_interval():
    own_ranks = np.repeat([1, 2] * 10, 8)  # 20 people of 8 probes each, all alike
    alone, together = cumulative_match(own_ranks, 1), cumulative_match(own_ranks, 1, np.repeat(np.arange(20), 8))
    width, widened = (np.ptp(curve.intervals[0]) for curve in (alone, together))
    assert widened > 2 * width
    assert together.to_json()["rates"] == [0.5]


def test_without_a_probe_it_is_refused():
    with pytest.raises(DataError, match="found no probe of an enrolled person"):
        cumulative_match(np.empty(0, np.int64), 5)
