"""Notes on validation that parts from training, and the test that a loss has settled."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from finetune.training.history import EpochRow
from finetune.training.monitors import overfitting, settled

pytestmark = pytest.mark.tf


def rows(training, validation):
    pairs = enumerate(zip(training, validation, strict=True), start=1)
    return [
        EpochRow("s", 1, n, {"loss": loss} | ({} if held_back is None else {"validation_loss": held_back}))
        for n, (loss, held_back) in pairs
    ]


def test_validation_that_rises_while_training_falls_is_said_once_with_figures_and_advice():
    history = rows([1.0, 0.8, 0.6, 0.4, 0.2, 0.1], [0.9, 0.7, 0.75, 0.8, 0.9, 1.0])
    said = [overfitting(history[:stop]) for stop in range(1, 7)]
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
    assert [overfitting(history[:stop]) for stop in range(1, 6)] == [None] * 5


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
