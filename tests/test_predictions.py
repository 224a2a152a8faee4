"""Predictions are the softmax of logits, and name the largest."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from finetune.predictions import Predictions

LOGITS = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 5), st.integers(1, 4)), elements=st.floats(-300, 300, width=32)
)


@given(LOGITS)
def test_each_row_is_a_softmax(logits):
    found = Predictions.of_logits(logits, ())
    for row, given_row, name in zip(found.probabilities, logits.astype(np.float64), found.names, strict=True):
        expected = [1 / np.exp(given_row - value).sum() for value in given_row]
        np.testing.assert_allclose(row, expected, atol=1e-6)
        assert expected[int(name)] >= max(expected) - 1e-6
    assert len(found) == len(logits)


def test_classes_have_their_names():
    found = Predictions.of_logits(np.array([[0.0, 9.0], [3.0, 1.0]], np.float32), ("Ann", "Bob"))
    assert found.names == ("Bob", "Ann")
    assert found.labels.tolist() == [1, 0]
    assert repr(found) == "Predictions(class_names=('Ann', 'Bob'), probabilities=<float32 [2, 2]>)"
