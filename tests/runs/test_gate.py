"""Rules that decide whether a stage is kept."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune.recipe.accept import Accept
from finetune.verification.pair_groups import Column, PairGroups
from finetune.verification.protocols.lfw import evaluate_pairs

pytest.importorskip("tensorflow")
from finetune.record import Evidence
from finetune.record.trade_off import TradeOff
from finetune.runs.gate import decide, judge
from tests.evidence import evidence

pytestmark = pytest.mark.tf


def result(accuracy):
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
    broken = dataclasses.replace(result(0.5), accuracy=float("nan"))
    assert not decide(Accept("lfw_accuracy", 1.0), result(0.5), broken).accepted


def test_of_older_results_without_distances_the_estimate_decides_and_it_is_said():
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
    before, after = (dataclasses.replace(result(accuracy), sample_of=6000) for accuracy in (0.9, 0.8))
    assert decide(Accept("lfw_accuracy", 0.5), before, after).reason.startswith(
        "lfw_accuracy of the sample fell by 0.1"
    )


FIGURES = ("accuracy", "val", "auc")
CHANGES = st.dictionaries(st.sampled_from(["lfw", "a", "b", "c"]), st.integers(-50, 50), min_size=1)


@given(changes=CHANGES, drop=st.integers(0, 60), figure=st.sampled_from(FIGURES))
def test_the_set_with_the_largest_drop_decides_and_is_named(changes, drop, figure):
    before = Evidence({name: dataclasses.replace(result(0.5), **{figure: 0.5}) for name in changes})
    fallen = {
        name: dataclasses.replace(result(0.5), **{figure: 0.5 + by / 1000}, distances=None)
        for name, by in changes.items()
    }
    verdict = judge(Accept(worst=figure, max_drop=drop / 1000), before, before, Evidence(fallen))
    worst = min(changes.values())
    assert verdict.accepted == (-worst <= drop)
    assert verdict.difference == pytest.approx(worst / 1000)
    named = [f"lfw_{figure}" if name == "lfw" else f"{name}.{figure}" for name, by in changes.items() if by == worst]
    assert any(f": {name} " in verdict.reason for name in named)
    assert verdict.reason.startswith(f"worst of {len(changes)} set")


def test_the_worst_set_is_that_of_the_end_of_the_interval_that_is_judged():
    few, many = measured(decisions(360)), measured(decisions(360))
    before = Evidence({"sure": many, "unsure": few})
    unsure = decisions(364) & ~(np.arange(400) < 10)  # 4 gained and 10 lost: a wider interval, a smaller drop
    after = Evidence({"sure": measured(decisions(353), 0.31), "unsure": measured(unsure, 0.31)})
    by_estimate = judge(Accept(worst="accuracy", max_drop=0), before, before, after)
    by_lower_end = judge(Accept(worst="accuracy", max_drop=0, bound="lower"), before, before, after)
    assert "sure.accuracy fell by 0.0175" in by_estimate.reason
    assert ": unsure.accuracy fell by 0.0150" in by_lower_end.reason


def test_a_figure_that_is_not_a_number_is_the_worst():
    before = Evidence({"a": result(0.9), "b": result(0.9)})
    broken = Evidence({"a": result(0.1), "b": result(float("nan"))})
    verdict = judge(Accept(worst="accuracy", max_drop=1), before, before, broken)
    assert not verdict.accepted
    assert "b.accuracy" in verdict.reason


def test_the_figure_of_one_set_decides_whatever_the_others_show():
    before = Evidence({"lfw": result(0.9), "novel": result(0.9)})
    after = Evidence({"lfw": result(0.1), "novel": result(0.895)})
    kept = judge(Accept("novel.accuracy", 0.01), before, before, after)
    assert (kept.accepted, kept.reason.split(" (")[0]) == (True, "novel.accuracy fell by 0.0050")
    assert not judge(Accept("novel.accuracy", 0.001), before, before, after).accepted
    assert not judge(Accept("lfw.accuracy", 0.01), before, before, after).accepted
    sample = Evidence({"novel": dataclasses.replace(result(0.1), sample_of=6000)})
    assert judge(Accept("novel.accuracy", 0), before, before, sample).reason.startswith(
        "novel.accuracy of the sample fell by 0.8000"
    )


def in_two_groups(wrong_of_dark, wrong_of_light):
    """Return a result of 600 pairs of two groups, of which these numbers of pairs are decided wrongly.

    Nobody is in two pairs. The first 120 pairs are of the dark group.
    """
    same = np.arange(600) % 2 == 0
    wrong = np.isin(np.arange(600), [*range(wrong_of_dark), *range(120, 120 + wrong_of_light)])
    nearby = same ^ wrong
    base = evaluate_pairs(np.eye(2)[np.zeros(600, int)], np.eye(2)[(~nearby).astype(int)], same, n_folds=4)
    person = np.arange(600)
    of = np.tile(np.where(person < 120, 0, 1), 2)
    groups = PairGroups(person, np.where(same, person, person + 600), (Column("skin", ("dark", "light"), of),))
    return dataclasses.replace(base, groups=groups)


def test_a_stage_that_hurts_one_group_while_the_whole_gains_is_rolled_back_by_the_worst_group():
    before, after = in_two_groups(12, 90), in_two_groups(36, 20)
    assert after.accuracy > before.accuracy + 0.05
    assert decide(Accept("lfw_accuracy", 0.005), before, after).accepted
    verdict = decide(Accept("worst_group_accuracy", 0.005), before, after)
    assert not verdict.accepted
    worst = 1 - 90 / 480  # the light group, which was the worst one before
    assert verdict.difference == pytest.approx(1 - 36 / 120 - worst)
    assert verdict.low < verdict.difference < verdict.high
    assert "light (skin) 0.8125 before, dark (skin) 0.7000 after" in verdict.reason
    assert verdict.reason.startswith("worst_group_accuracy fell by 0.1125 (95 %: ")


@pytest.mark.parametrize(("bound", "kept"), [("estimate", False), ("lower", False), ("upper", True)])
def test_the_worst_group_is_judged_by_each_end_of_its_interval(bound, kept):
    verdict = decide(Accept("worst_group_accuracy", 0.02, bound=bound), in_two_groups(20, 20), in_two_groups(23, 20))
    assert verdict.accepted is kept


def test_the_worst_group_of_a_set_is_judged_on_its_own_pairs():
    start, trained = (
        Evidence({"lfw": in_two_groups(wrong, 12), "novel": in_two_groups(12, 12)}, None, None) for wrong in (12, 60)
    )
    assert judge(Accept("novel.worst_group_accuracy", 0.005), start, start, trained).accepted
    assert not judge(Accept("worst_group_accuracy", 0.005), start, start, trained).accepted
