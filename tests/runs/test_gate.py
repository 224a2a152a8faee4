"""When a stage is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.evaluation import evaluate_pairs
from finetune.recipe import Accept

pytest.importorskip("tensorflow")
from finetune.runs.gate import decide

pytestmark = pytest.mark.tf


def result(accuracy):
    import dataclasses

    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 20, 4))
    base = evaluate_pairs(first, second, np.arange(20) % 2 == 0, n_folds=2)
    return dataclasses.replace(base, accuracy=accuracy)


@given(before=st.integers(0, 1000), after=st.integers(0, 1000), drop=st.integers(0, 1000))
def test_a_stage_is_kept_just_when_it_fell_by_no_more_than_allowed(before, after, drop):
    verdict = decide(Accept("lfw_accuracy", drop / 1000), result(before / 1000), result(after / 1000))
    assert verdict.accepted == (before - after <= drop)
    assert verdict.accepted != ("rolled back" in verdict.reason)


@pytest.mark.parametrize("accept", [None, Accept("lfw_accuracy", 0.0)])
def test_without_a_gate_or_without_figures_a_stage_is_kept(accept):
    after = None if accept else result(0.1)
    assert decide(accept, result(0.9), after).accepted
