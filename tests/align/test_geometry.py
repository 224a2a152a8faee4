from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from finetune.align.geometry import regress, square, suppress
from tests.align import reference

CORNERS = hnp.arrays(np.int64, st.tuples(st.integers(0, 30), st.just(2)), elements=st.integers(0, 40))


@given(CORNERS, st.data())
def test_suppression_keeps_what_the_plain_loops_keep(corners, data):
    n = len(corners)
    sides = data.draw(hnp.arrays(np.int64, (n, 2), elements=st.integers(0, 25)))
    scores = data.draw(hnp.arrays(np.float32, n, elements=st.sampled_from([0.5, 0.75, 0.8125, 1.0])))  # with ties
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(float)
    for over, smaller in (("union", False), ("smaller", True)):
        kept = suppress(boxes, scores, 0.5, over)
        expected = reference.suppress([[*box, score] for box, score in zip(boxes, scores, strict=True)], 0.5, smaller)
        assert [[*boxes[i], scores[i]] for i in kept] == expected


def test_of_equal_boxes_the_later_is_kept():
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 9], [50, 50, 59, 59]], float)
    assert suppress(boxes, np.array([0.9, 0.9, 0.8]), 0.7, "union").tolist() == [1, 2]


def test_half_of_an_area_is_not_more_than_half():
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 4]], float)  # 100 and 50 pixels, 50 of them shared
    assert suppress(boxes, np.array([0.9, 0.8]), 0.5, "union").tolist() == [0, 1]
    assert suppress(boxes, np.array([0.9, 0.8]), 0.49, "union").tolist() == [0]
    assert suppress(boxes, np.array([0.9, 0.8]), 0.5, "smaller").tolist() == [0]


def test_sides_move_by_shares_of_width_and_height():
    boxes, moves = np.array([[10.0, 20.0, 19.0, 39.0]]), np.array([[0.1, -0.1, 0.2, 0.0]])
    np.testing.assert_allclose(regress(boxes, moves, last_pixel=1), [[11.0, 18.0, 21.0, 39.0]])
    np.testing.assert_allclose(regress(boxes, moves, last_pixel=0), [[10.9, 18.1, 20.8, 39.0]])


@given(hnp.arrays(np.float64, (5, 4), elements=st.floats(-100, 100)))
def test_a_square_has_the_centre_and_the_longer_side(boxes):
    boxes[:, 2:] = boxes[:, :2] + np.abs(boxes[:, 2:])
    squares = square(boxes)
    sides = boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_allclose(
        squares[:, 2:] - squares[:, :2], sides.max(axis=1, keepdims=True).repeat(2, axis=1), atol=1e-9
    )
    np.testing.assert_allclose(squares[:, :2] + squares[:, 2:], boxes[:, :2] + boxes[:, 2:], atol=1e-9)
