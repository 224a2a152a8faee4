"""Results as they are printed, stored and compared for equality."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import finetune
import finetune.verification
from finetune.errors import DataError
from finetune.verification.protocols.lfw import evaluate_pairs
from finetune.verification.result import Overlap, VerificationResult

RESULT = VerificationResult(
    accuracy=0.9965,
    accuracy_std=0.00252,
    val=0.983667,
    val_std=0.009483,
    far=0.001,
    auc=0.99987,
    eer=0.00351,
    threshold=1.21,
    fold_accuracy=(0.9965, 0.9965),
    n_pairs=5,
    n_same=3,
    n_folds=2,
    distance="cosine",
    subtract_mean=True,
    flip=True,
    far_target=1e-3,
    notes=("a note",),
    correct=np.array([True, False, False, True, True]),
    pairs_sha256="ab",
)

OVERLAPPING = dataclasses.replace(RESULT, overlap=Overlap(("Ann_Lee", "José_Serra"), 7, 2), without_overlap=RESULT)


def test_the_former_name_is_the_same_class():
    assert finetune.LFWResult is finetune.verification.LFWResult is finetune.VerificationResult is VerificationResult
    assert repr(RESULT).startswith("VerificationResult(")


def test_the_four_lines_are_those_of_the_published_script():
    assert RESULT.lines() == [
        "Accuracy: 0.99650+-0.00252",
        "Validation rate: 0.98367+-0.00948 @ FAR=0.00100",
        "Area Under Curve (AUC): 1.000",
        "Equal Error Rate (EER): 0.004",
    ]


def test_a_result_without_folds_has_no_deviations():
    single = dataclasses.replace(RESULT, n_folds=1, accuracy_std=0.0, val_std=0.0)
    assert single.lines()[:2] == ["Accuracy: 0.99650", "Validation rate: 0.98367 @ FAR=0.00100"]
    assert single.lines()[2:] == RESULT.lines()[2:]


def test_what_another_protocol_says_of_itself_is_stored_with_its_result_and_read_back():
    other = dataclasses.replace(RESULT, protocol={"name": "another"})
    stored = json.loads(json.dumps(other.to_json()))
    assert stored["protocol"] == {"name": "another"}
    assert stored == RESULT.to_json() | {"protocol": {"name": "another"}}
    assert VerificationResult.from_json(stored) == other != RESULT
    del stored["protocol"]
    assert VerificationResult.from_json(stored) == RESULT


def test_json_holds_every_field_by_name_and_gives_the_result_back():
    text = json.dumps({**RESULT.to_json(), "checkpoint": "beside it"}, allow_nan=False)
    stored = json.loads(text)
    apart = {"sample_of", "name", "rates", "accuracy_interval", "groups"}
    assert {field.name for field in dataclasses.fields(VerificationResult)} - apart < set(stored)
    assert stored["correct"] == "10011"
    assert stored["protocol"]["accuracy_thresholds"] == "0 to 4 by 0.01"
    assert stored["protocol"]["val_thresholds"].startswith("0 to 4 by 0.001")
    back = VerificationResult.from_json(stored)
    assert back == RESULT
    assert back.correct.dtype == bool
    assert back.correct.tolist() == RESULT.correct.tolist()


def test_the_number_that_a_sample_was_drawn_from_is_stored_with_it_alone():
    assert "sample_of" not in RESULT.to_json()
    sampled = dataclasses.replace(RESULT, sample_of=6000)
    stored = json.loads(json.dumps(sampled.to_json(), allow_nan=False))
    assert stored["sample_of"] == 6000
    assert VerificationResult.from_json(stored) == sampled


def test_the_name_of_a_set_is_stored_with_it_and_stands_before_its_figures():
    assert "name" not in RESULT.to_json()
    novel = dataclasses.replace(RESULT, name="novel")
    stored = json.loads(json.dumps(novel.to_json(), allow_nan=False))
    assert stored == RESULT.to_json() | {"name": "novel"}
    assert VerificationResult.from_json(stored) == novel
    assert (novel.of_what, novel.accuracy_name) == ("novel", "novel accuracy")
    sample = dataclasses.replace(novel, sample_of=6000)
    assert (sample.of_what, sample.accuracy_name) == ("novel sample", "novel accuracy on a sample of 5 of 6,000 pairs")


def test_an_overlap_and_the_figures_without_it_are_stored_with_the_result():
    stored = json.loads(json.dumps(OVERLAPPING.to_json(), allow_nan=False))
    assert stored["overlap"] == {"identities": ["Ann_Lee", "José_Serra"], "n_identities": 7, "n_pairs": 2}
    assert stored["without_overlap"]["accuracy"] == RESULT.accuracy
    back = VerificationResult.from_json(stored)
    assert back == OVERLAPPING
    assert back.overlap == OVERLAPPING.overlap
    assert back.without_overlap == RESULT
    assert OVERLAPPING.lines() == RESULT.lines()


def test_a_result_stored_before_there_was_an_overlap_reads_as_if_nobody_knew():
    stored = RESULT.to_json()
    del stored["overlap"], stored["without_overlap"]
    assert VerificationResult.from_json(stored) == RESULT


def test_what_is_left_out_is_told_in_words():
    assert OVERLAPPING.left_out == "the 2 of 7 identities trained on (2 of 5 pairs left out)"
    assert RESULT.left_out == dataclasses.replace(RESULT, overlap=Overlap((), 7, 0)).left_out == ""


@pytest.mark.parametrize(
    "change", [{"accuracy": 0.9}, {"eer": None}, {"notes": ()}, {"correct": ~RESULT.correct}, {"pairs_sha256": None}]
)
def test_results_that_differ_in_a_field_are_not_equal(change):
    assert dataclasses.replace(RESULT, **change) != RESULT


def test_another_file_than_a_result_names_the_missing_fields():
    stored = RESULT.to_json()
    del stored["auc"], stored["correct"]
    with pytest.raises(
        DataError, match=r"^result of verification: found no auc, correct; give a file that finetune wrote$"
    ):
        VerificationResult.from_json(stored)


def test_distances_kinds_and_folds_are_read_back_exactly_and_may_be_missing():
    generator = np.random.default_rng(3)
    first, second = generator.normal(size=(2, 20, 4))
    measured = evaluate_pairs(first, second, np.arange(20) % 2 == 0, n_folds=2)
    stored = json.loads(json.dumps(measured.to_json()))
    again = VerificationResult.from_json(stored)
    for name in ("distances", "is_same", "folds"):
        np.testing.assert_array_equal(getattr(again, name), getattr(measured, name))
        assert getattr(again, name).dtype == getattr(measured, name).dtype
    older = VerificationResult.from_json(
        {k: v for k, v in stored.items() if k not in ("distances", "is_same", "folds")}
    )
    assert older.distances is None
    assert VerificationResult.from_json(json.loads(json.dumps(older.to_json()))) == older


@pytest.mark.parametrize("name", ["correct", "is_same", "distances", "folds"])
def test_values_of_another_number_of_pairs_are_refused(name):
    generator = np.random.default_rng(3)
    first, second = generator.normal(size=(2, 20, 4))
    stored = evaluate_pairs(first, second, np.arange(20) % 2 == 0, n_folds=2).to_json()
    with pytest.raises(DataError, match=f"found 19 values of {name} for 20 pairs; give a file that finetune wrote"):
        VerificationResult.from_json(stored | {name: stored[name][:-1]})
