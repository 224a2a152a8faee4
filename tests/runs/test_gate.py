"""Rules that decide whether a stage is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune.recipe.accept import Accept
from finetune.verification.protocols.lfw import evaluate_pairs

pytest.importorskip("tensorflow")
from finetune.record.trade_off import TradeOff
from finetune.runs.gate import decide, judge
from tests.evidence import evidence

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
    assert verdict.accepted != ("more than the" in verdict.reason)


@pytest.mark.parametrize("accept", [None, Accept("lfw_accuracy", 0.0)])
def test_without_a_gate_or_without_figures_a_stage_is_kept(accept):
    after = None if accept else result(0.1)
    assert decide(accept, result(0.9), after).accepted


def measured(correct, distances=None):
    """Return a result of 400 pairs with these decisions and these distances."""
    import dataclasses

    generator = np.random.default_rng(0)
    same = np.arange(400) % 2 == 0
    first = generator.normal(size=(400, 4))
    second = first + (0.3 if distances is None else distances) * generator.normal(size=(400, 4))
    base = evaluate_pairs(first, np.where(same[:, np.newaxis], second, -second), same, n_folds=4, far_target=0.05)
    return dataclasses.replace(base, correct=correct, accuracy=float(correct.mean()))


def decisions(right):
    return np.arange(400) < right


@pytest.mark.parametrize(
    ("bound", "right", "kept"),
    [
        ("estimate", 352, True),  # fell by 0.02, just the margin; the interval is about -0.036 to -0.004
        ("estimate", 351, False),
        ("lower", 352, False),  # more harm is not ruled out
        ("lower", 360, True),
        ("upper", 349, True),  # more harm is not shown
        ("upper", 330, False),
    ],
)
def test_each_bound_judges_by_its_end_of_the_interval(bound, right, kept):
    accept = Accept("lfw_accuracy", 0.02, bound=bound)
    verdict = decide(accept, measured(decisions(360)), measured(decisions(right), 0.31))
    assert verdict.accepted is kept
    assert verdict.low <= verdict.difference <= verdict.high
    lost = 360 - right
    assert f"0 pairs gained, {lost} lost, McNemar p {min(1.0, 2 * 0.5**lost):.2g}" in verdict.reason


@pytest.mark.parametrize("metric", ["lfw_accuracy", "lfw_val", "lfw_auc"])
def test_where_no_distance_changed_no_harm_was_done_and_every_bound_passes(metric):
    same = measured(decisions(360))
    for bound in ("estimate", "lower", "upper"):
        verdict = decide(Accept(metric, 0.0, bound=bound), same, same)
        assert verdict.accepted
        assert (verdict.low, verdict.high) == (0, 0)
        assert "every distance is as it was" in verdict.reason


def test_a_rate_at_a_far_that_few_pairs_can_show_is_said_to_be_uncertain():
    import dataclasses

    before, after = (dataclasses.replace(measured(decisions(400), d), far_target=0.001) for d in (0.3, 0.4))
    verdict = decide(Accept("lfw_val", 1.0), before, after)
    assert "too narrow: 0.2 false accepts are expected at FAR 0.001" in verdict.reason


@pytest.mark.parametrize("metric", ["lfw_val", "strangers_auc"])
def test_rates_and_areas_are_judged_by_the_bootstrap(metric):
    everything = decisions(400)
    same, worse = measured(everything), measured(everything, distances=5.0)
    verdict = decide(Accept(metric, 0.01, bound="upper"), same, worse)
    assert not verdict.accepted
    assert verdict.high < -0.01
    assert verdict.p_value is None
    assert "of 1000 resamples), more than the 0.01 allowed, judged by the upper end" in verdict.reason
    unchanged = decide(Accept(metric, 0.0, bound="lower"), same, same)
    assert unchanged.accepted
    assert (unchanged.low, unchanged.high) == (0, 0)
    assert f"{metric} stayed" in unchanged.reason


def test_a_figure_that_is_no_number_is_rejected():
    import dataclasses

    broken = dataclasses.replace(result(0.5), accuracy=float("nan"))
    assert not decide(Accept("lfw_accuracy", 1.0), result(0.5), broken).accepted


def test_of_older_results_without_distances_the_estimate_decides_and_it_is_said():
    import dataclasses

    old = dataclasses.replace(measured(decisions(400)), distances=None, is_same=None, folds=None)
    verdict = decide(Accept("lfw_auc", 0.1, bound="lower"), old, old)
    assert verdict.accepted
    assert "no interval: a result from before distances were kept" in verdict.reason


@pytest.mark.parametrize("pairs", ["lfw", "strangers"])
@pytest.mark.parametrize(("since", "kept"), [("previous", [True, True, True]), ("baseline", [True, False, False])])
def test_drops_that_a_gate_allows_one_by_one_do_not_add_up_since_the_baseline(pairs, since, kept):
    def of(accuracy):
        return evidence(result(accuracy)) if pairs == "lfw" else evidence(trade_off=TradeOff(result(accuracy), None))

    accept = Accept(f"{pairs}_accuracy", 0.005, since=since)
    # Each stage loses 0.003, less than the 0.005 allowed; the second is 0.006 below the baseline.
    start, *after = [of(accuracy) for accuracy in (0.9, 0.897, 0.894, 0.891)]
    decisions = [judge(accept, start, began, trained) for began, trained in zip([start, *after], after, strict=False)]
    assert [decision.accepted for decision in decisions] == kept
    assert all(("since the baseline" in decision.reason) is (since == "baseline") for decision in decisions)
    assert f"fell by {0.9 - 0.891 if since == 'baseline' else 0.003:.4f}" in decisions[-1].reason


def test_without_figures_to_compare_a_gate_keeps_the_stage():
    accept = Accept("strangers_accuracy", 0.0, since="baseline")
    assert judge(accept, evidence(result(0.9)), evidence(), evidence(result(0.1))).accepted
    assert judge(None, evidence(result(0.9)), evidence(result(0.9)), evidence(result(0.1))).accepted


def test_a_gate_on_a_sample_says_that_it_is_one():
    import dataclasses

    before, after = (dataclasses.replace(result(accuracy), sample_of=6000) for accuracy in (0.9, 0.8))
    assert decide(Accept("lfw_accuracy", 0.5), before, after).reason.startswith(
        "lfw_accuracy of the sample fell by 0.1"
    )
