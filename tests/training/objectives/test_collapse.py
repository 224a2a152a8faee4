"""Warnings about triplets whose embeddings become one, and notes on triplets that are all satisfied."""

from __future__ import annotations

from hypothesis import given, strategies as st

from finetune.training.objectives.collapse import Collapse


def add(monitor, active, positive, negative):
    return monitor.add({"active_triplets": active, "positive_distance": positive, "negative_distance": negative})


def test_embeddings_that_become_one_warn_and_then_stop():
    watch = Collapse(1.0)
    assert add(watch, 0.5, 0.4, 1.0) is None
    warning = add(watch, 0.95, 0.19, 0.2)
    assert not warning.stops
    assert "collapsing: the mean distance to negatives fell from 1 to 0.2, to positives it is 0.19, and 95 %" in (
        str(warning.problem).replace("95%", "95 %")
    )
    assert add(watch, 0.95, 0.14, 0.15) is None  # said once
    stop = add(watch, 1.0, 0.01, 0.01)
    assert stop.stops
    assert "collapsed" in str(stop.problem)
    assert "give mining: semi_hard or random" in str(stop.problem)


def test_euclidean_distances_are_judged_by_the_same_embeddings():
    for power in (1.0, 0.5):
        seen = Collapse(power)
        assert add(seen, 0.5, 0.4**power, 1.0) is None
        assert add(seen, 1.0, 0.04**power, 0.04**power).stops
    watch = Collapse(0.5)
    add(watch, 0.5, 0.4, 1.0)
    assert not add(watch, 1.0, 0.3, 0.3).stops  # squared 0.09


def test_triplets_that_are_all_satisfied_are_said_once_after_three_epochs():
    watch = Collapse(1.0)
    said = [add(watch, 0.001, 0.1, 1.5) for _ in range(6)]
    assert [seen is not None for seen in said] == [False, False, True, False, False, False]
    assert "little is left to learn" in str(said[2].problem)
    assert not said[2].stops


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.3, 4)), min_size=1, max_size=20))
def test_while_negatives_stay_apart_nothing_is_said(epochs):
    watch = Collapse(1.0)
    assert add(watch, 0.5, 0.1, 1.0) is None
    assert [add(watch, active, 0.1, negative) for active, negative in epochs] == [None] * len(epochs)
