"""The history as CSV is exact, and older files can be read."""

from __future__ import annotations

import pytest

from finetune.training.history import (
    EpochRow,
    column_meanings,
    from_csv,
    history_columns,
    number_columns,
    set_meanings,
    sets_of,
    to_csv,
)

pytestmark = pytest.mark.tf


def test_history_reads_back_exactly():
    rows = [
        EpochRow("a, b", 1, 1, {"learning_rate": 0.1, "loss": 1 / 3, "accuracy": 0.5, "seconds": 3.25}),
        EpochRow("c", 2, 2, {"learning_rate": 1e-05, "loss": 0.2, "strangers_low": -0.01, "drawn_std": 0.0}),
    ]
    assert from_csv(to_csv(rows)) == rows
    assert to_csv(rows).splitlines()[0] == ",".join(history_columns())


def test_a_history_of_before_there_were_attempts_is_read_and_unknown_columns_are_passed_over():
    text = "stage,epoch,learning_rate,loss,cross_entropy,mood,seconds\nhead,3,0.1,0.5,0.4,good,2.0\n"
    expected = EpochRow("head", 1, 3, {"learning_rate": 0.1, "loss": 0.5, "cross_entropy": 0.4, "seconds": 2.0})
    assert from_csv(text) == [expected]


def test_lines_end_as_on_unix_and_each_figure_stands_under_its_name():
    row = EpochRow("s", 1, 2, {name: float(place) for place, name in enumerate(number_columns())})
    text = to_csv([row])
    assert "\r" not in text
    header, line = (part.split(",") for part in text.splitlines())
    assert dict(zip(header, line, strict=True)) == {name: str(value) for name, value in row.to_json().items()}


def test_the_columns_of_today_s_losses_and_terms_are_those_of_all_histories_so_far():
    assert ",".join(history_columns()) == (
        "stage,attempt,epoch,learning_rate,loss,cross_entropy,triplet,prelogits_norm,center_loss,weight_decay,l2_sp,"
        "distillation,gradient_norm,accuracy,active_triplets,positive_distance,negative_distance,drawn_mean,drawn_std,"
        "validation_loss,validation_accuracy,lfw_accuracy,lfw_low,lfw_high,lfw_val,"
        "learned_accuracy,learned_low,learned_high,strangers_accuracy,strangers_low,strangers_high,strangers_val,strangers_dir,seconds"
    )


def test_every_column_has_its_own_meaning():
    meanings = column_meanings()
    assert all(meaning.endswith(".") for meaning in meanings.values())
    assert len(set(meanings.values())) == len(meanings)


def test_a_set_has_columns_of_its_own_after_all_others():
    numbers = {"loss": 1.0, "novel.accuracy": 0.9, "novel.low": -0.1, "novel.high": 0.1, "novel.val": 0.8}
    rows = [EpochRow("s", 1, 1, {"loss": 2.0}), EpochRow("s", 1, 2, numbers)]
    text = to_csv(rows, ["novel", "validation"])
    columns = text.splitlines()[0].split(",")
    assert columns == [*history_columns(), *set_meanings("novel"), *set_meanings("validation")]
    assert len(set(columns)) == len(columns)  # a set named validation shares no column with the validation images
    assert from_csv(text) == rows
    assert (sets_of(rows[0]), sets_of(rows[1])) == ((), ("novel",))
    assert number_columns(["novel"])[-1] == "novel.val"


def test_columns_that_are_neither_known_nor_of_a_set_are_left_out():
    stored = {"stage": "s", "attempt": 1, "epoch": 1, "loss": 1.0, "novel.eer": 0.1, "Novel.val": 0.1, "later": 3.0}
    assert EpochRow.from_json(stored).numbers == {"loss": 1.0}
