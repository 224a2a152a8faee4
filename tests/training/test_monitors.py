"""What is said of validation that parts from training, of collapse, and when a loss has settled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.training.history import EpochRow
from finetune.training.monitors import Collapse, parted, settled

pytestmark = pytest.mark.tf


def rows(training, validation):
    pairs = enumerate(zip(training, validation, strict=True), start=1)
    return [
        EpochRow(stage="s", attempt=1, epoch=n, learning_rate=0.1, loss=loss, validation_loss=held_back)
        for n, (loss, held_back) in pairs
    ]


def test_validation_that_rises_while_training_falls_is_said_once_with_figures_and_advice():
    history = rows([1.0, 0.8, 0.6, 0.4, 0.2, 0.1], [0.9, 0.7, 0.75, 0.8, 0.9, 1.0])
    said = [parted(history[:stop]) for stop in range(1, 7)]
    assert [text is not None for text in said] == [False, False, False, False, True, False]
    assert (
        "since epoch 2 the held-back loss rose from 0.7 to 0.9 while the training loss fell from 0.8 to 0.2" in said[4]
    )
    assert "try early_stopping, a lower learning_rate, a later train_from" in said[4]


@pytest.mark.parametrize(
    ("training", "validation"),
    [
        ([1.0, 0.8, 0.6, 0.4, 0.2], [0.9, 0.8, 0.7, 0.6, 0.5]),  # both fall
        ([1.0, 0.8, 0.9, 0.7, 0.6], [0.5, 0.8, 0.8, 0.8, 0.8]),  # training does not fall throughout
        ([1.0, 0.8, 0.6, 0.4, 0.2], [0.5, 0.8, 0.9, 0.5, 0.4]),  # a new lowest
        ([1.0, 0.8, 0.6, 0.4, 0.2], [None] * 5),
    ],
)
def test_nothing_is_said_while_they_go_together(training, validation):
    history = rows(training, validation)
    assert [parted(history[:stop]) for stop in range(1, 6)] == [None] * 5


def test_embeddings_that_become_one_warn_and_then_stop():
    watch = Collapse("squared")
    assert watch.add(0.5, 0.4, 1.0) is None
    warning = watch.add(0.95, 0.19, 0.2)
    assert not warning.stops
    assert "collapsing: the mean distance to negatives fell from 1 to 0.2, to positives it is 0.19, and 95 %" in (
        warning.text.replace("95%", "95 %")
    )
    assert watch.add(0.95, 0.14, 0.15) is None  # said once
    stop = watch.add(1.0, 0.01, 0.01)
    assert stop.stops
    assert "collapsed" in stop.text
    assert "give mining: semi_hard or random" in stop.text


def test_euclidean_distances_are_judged_by_the_same_embeddings():
    for seen in (Collapse("squared"), Collapse("euclidean")):
        power = 1.0 if seen._power == 1.0 else 0.5
        assert seen.add(0.5, 0.4**power, 1.0) is None
        assert seen.add(1.0, 0.04**power, 0.04**power).stops
    watch = Collapse("euclidean")
    watch.add(0.5, 0.4, 1.0)
    assert not watch.add(1.0, 0.3, 0.3).stops  # squared 0.09


def test_triplets_that_are_all_satisfied_are_said_once_after_three_epochs():
    watch = Collapse("squared")
    said = [watch.add(0.001, 0.1, 1.5) for _ in range(6)]
    assert [seen is not None for seen in said] == [False, False, True, False, False, False]
    assert "little is left to learn" in said[2].text
    assert not said[2].stops


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.3, 4)), min_size=1, max_size=20))
def test_while_negatives_stay_apart_nothing_is_said(epochs):
    watch = Collapse("squared")
    assert watch.add(0.5, 0.1, 1.0) is None
    assert [watch.add(active, 0.1, negative) for active, negative in epochs] == [None] * len(epochs)


@pytest.mark.parametrize(
    ("losses", "answer"),
    [
        ([1.0, 1.0, 1.0], False),
        ([1.0, 1.0, 1.0, 1.0], True),
        ([1.0, 1.0, 0.94, 0.94], False),
        ([1.0, 1.0, 0.96, 0.96], True),
        ([9.0, 5.0, 1.0, 1.0, 1.0, 1.2], True),
        ([0.0, 0.0, 0.0, 0.0], False),
    ],
)
def test_a_loss_has_settled_where_two_epochs_hardly_improve_on_the_two_before(losses, answer):
    assert settled(losses, 0.05) is answer


@given(st.lists(st.floats(0.1, 10), min_size=4, max_size=12), st.floats(0.5, 2))
def test_settling_does_not_depend_on_the_unit_of_the_loss(losses, unit):
    before, after = sum(losses[-4:-2]), sum(losses[-2:])
    if abs(after - 0.95 * before) > 1e-6:
        assert settled(losses) == settled([loss * unit for loss in losses])
