"""Rows of unit length, and sums and means by class, equal those of loops over rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune.arrays import add_rows, class_means, class_sums, distinct, unit_rows


@st.composite
def labelled(draw):
    labels = np.array(draw(st.lists(st.integers(0, 4), max_size=12)), np.int64)
    rows = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).normal(size=[len(labels), 3])
    return rows.astype(draw(st.sampled_from([np.float32, np.float64]))), labels


@given(labelled())
def test_sums_and_means_are_those_of_each_class_alone(case):
    rows, labels = case
    sums, means = class_sums(rows, labels, 5), class_means(rows, labels, 5)
    assert sums.dtype == means.dtype == np.float64
    for label in range(5):
        own = [row.astype(np.float64) for row, other in zip(rows, labels, strict=True) if other == label]
        expected = sum(own) if own else np.zeros(3)
        np.testing.assert_array_equal(sums[label], expected)
        np.testing.assert_array_equal(means[label], expected / max(len(own), 1))


@given(labelled())
def test_rows_are_added_one_after_another_to_the_bit(case):
    rows, labels = case
    sums = np.random.default_rng(1).normal(size=[5, 3]) * 1e3
    expected = sums.copy()
    for row, label in zip(rows, labels, strict=True):
        expected[label] = expected[label] + row
    add_rows(sums, labels, rows)
    assert sums.tobytes() == expected.tobytes()


@given(st.lists(st.integers(-3, 3)))
def test_distinct_labels_are_sorted_and_stand_once(labels):
    assert distinct(np.array(labels, np.int64)).tolist() == sorted(set(labels))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_are_brought_to_unit_length_and_a_row_of_zeros_stays(kind):
    unit = unit_rows(np.array([[3, 4], [0, 0], [0, -2e-3]], kind), 1e-2)
    assert unit.dtype == kind
    np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0], [0, -0.2]], rtol=1e-6)
