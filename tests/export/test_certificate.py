"""Limits of a certificate: what passes and what does not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune.agreement import Agreement, agreements
from finetune.export.certificate import Certificate
from finetune.export.formats import find

pytestmark = pytest.mark.tf


def problems(**agreements):
    certificate = Certificate(find("pb"), "a runtime", 1, agreements, 1.0, None, None, {}, {})
    return certificate.problems()


def test_what_lies_at_its_tolerance_passes_and_what_lies_past_it_does_not():
    allowed = find("pb").tolerance
    assert problems(embeddings=Agreement(allowed.difference, allowed.cosine), logits=Agreement(allowed.head)) == []
    past = np.nextafter
    assert "embeddings differ by" in problems(embeddings=Agreement(past(allowed.difference, 1), 1.0))[0]
    assert "a cosine of" in problems(embeddings=Agreement(0.0, past(allowed.cosine, 0)))[0]
    assert "logits differ by" in problems(logits=Agreement(past(allowed.head, 1)))[0]


@pytest.mark.parametrize("values", [[np.nan, 0.0], [0.6, np.nan], [np.inf, 0.0]])
def test_a_value_that_is_no_finite_number_passes_nothing(values):
    expected = {"embeddings": np.array([[0.6, 0.8], [1.0, 0.0]], np.float32)}
    found = {"embeddings": np.array([[0.6, 0.8], values], np.float32)}
    with np.errstate(invalid="ignore"):
        told = problems(**agreements(expected, found))
    assert any("embeddings differ by" in line for line in told)


@pytest.mark.parametrize(("difference", "cosine"), [(np.nan, 1.0), (0.0, np.nan)])
def test_an_agreement_that_is_no_number_is_none(difference, cosine):
    assert len(problems(embeddings=Agreement(difference, cosine))) == 1


def test_an_accuracy_may_differ_by_the_tolerance_in_either_direction(monkeypatch):
    @dataclasses.dataclass
    class Fell:
        accuracy: float

    for difference, passes in ((0.0005, True), (-0.0005, True), (0.0006, False), (-0.0006, False), (np.nan, False)):
        monkeypatch.setattr(Certificate, "lfw_difference", Fell(difference))
        assert (problems() == []) == passes


def test_two_embeddings_of_zeros_agree_and_one_of_zeros_agrees_with_no_other():
    zeros, ones = np.zeros([1, 4], np.float32), np.full([1, 4], 0.5, np.float32)
    assert agreements({"embeddings": zeros}, {"embeddings": zeros})["embeddings"].smallest_cosine == 1.0
    assert agreements({"embeddings": ones}, {"embeddings": zeros})["embeddings"].smallest_cosine == 0.0
