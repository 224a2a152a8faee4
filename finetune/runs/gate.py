"""Decision whether a stage is kept: the recipe's `accept:` applied to the same pairs before and after."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from finetune.recipe import WORST_GROUP, Accept
from finetune.record import Evidence
from finetune.verification import OF_LFW, RESAMPLES, VerificationResult, bootstrap, compare, compare_worst
from finetune.words import counted

FEW_FALSE_ACCEPTS = 2
"""Least number of expected false accepts at the FAR. With fewer, the threshold of a validation rate depends on one
pair, and its interval is too narrow."""
UNCHANGED = "every distance is as it was"
ROUNDING = 1e-12
"""Tolerance that lets a drop of exactly the margin pass, despite rounding of the subtraction."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """Decision whether the stage's weights are kept, with the reason in words.

    Attributes:
        accepted: True if the weights are kept.
        reason: reason in words; may be empty.
        difference: metric after minus metric before; None if nothing was judged.
        low, high: 95 % interval of the difference.
        p_value: p-value of McNemar's test on the decisions; None for metrics other than the accuracy.
        judged: number that must not be below the allowed drop; minus infinity if it is unknown.
    """

    accepted: bool
    reason: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    judged: float = 0.0


def judge(accept: Accept | None, start: Evidence, began: Evidence, trained: Evidence) -> Decision:
    """Decide whether a stage is kept, by the figures that its `accept` section names.

    Args:
        accept: section of the stage. Without it every stage is kept.
        start: measurements before the first stage.
        began: measurements of the weights that the stage started from.
        trained: measurements of the weights of its kept epoch.
    """
    before = start if accept and accept.since == "baseline" else began
    if accept and accept.worst:
        return _worst(accept, before, trained)
    if accept and accept.pairs == "strangers":
        old, new = (evidence.trade_off.strangers if evidence.trade_off else None for evidence in (before, trained))
        return decide(accept, old, new)
    name = accept.pairs if accept else OF_LFW
    return decide(accept, before.sets.get(name), trained.sets.get(name))


def _worst(accept: Accept, before: Evidence, trained: Evidence) -> Decision:
    """Decide by the set of pairs whose figure shows the largest drop, and name it."""
    results = {name: (before.sets[name], result) for name, result in trained.sets.items() if name in before.sets}
    decisions = [
        decide(accept, old, new, f"lfw_{accept.worst}" if name == OF_LFW else f"{name}.{accept.worst}")
        for name, (old, new) in results.items()
    ]
    if not decisions:
        return Decision(accepted=True)
    worst = min(decisions, key=lambda decision: decision.judged)
    return dataclasses.replace(worst, reason=f"worst of {counted(len(decisions), 'set')}: {worst.reason}")


def decide(
    accept: Accept | None, before: VerificationResult | None, after: VerificationResult | None, metric: str = ""
) -> Decision:
    """Accept a stage whose metric fell by no more than the recipe allows.

    Args:
        accept: section of the stage. Without it every stage is kept.
        before: result of the weights that the section compares with (`since`), on the pairs that it names.
        after: result of the stage's kept epoch, on the same pairs.
        metric: name of the figure in words. Default: that of the section.
    """
    if accept is None or before is None or after is None:
        return Decision(accepted=True)
    difference, low, high, p_value, evidence = _evidence(accept, before, after)
    fell = "fell" if difference < 0 else "rose"
    metric = metric or accept.metric or ""
    metric = metric if after.sample_of is None else f"{metric} of the sample"
    change = f"{metric} {fell} by {abs(difference):.4f}" if difference else f"{metric} stayed"
    change += " since the baseline" if accept.since == "baseline" else ""
    judged = {"estimate": difference, "lower": low, "upper": high}[accept.bound]
    if low is None or high is None:
        judged, evidence = difference, "no interval: a result from before distances were kept"
    interval = f" ({evidence})"
    what = {
        "estimate": "",
        "lower": ", judged by the lower end: more harm must be ruled out",
        "upper": ", judged by the upper end: more harm must be shown",
    }[accept.bound]
    if judged is None or not math.isfinite(judged):
        judged = -math.inf
    accepted = judged >= -accept.max_drop - ROUNDING
    allowed = f"{'at most' if accepted else 'more than the'} {accept.max_drop:g} allowed"
    return Decision(accepted, f"{change}{interval}, {allowed}{what}", difference, low, high, p_value, judged)


def _evidence(
    accept: Accept, before: VerificationResult, after: VerificationResult
) -> tuple[float, float | None, float | None, float | None, str]:
    """Return the difference, the ends of its 95 % interval, the p-value of McNemar's test, and a description."""
    known = before.distances is not None and after.distances is not None
    unchanged = known and np.array_equal(before.distances, after.distances)  # type: ignore[arg-type]
    if accept.figure == WORST_GROUP:
        return _of_worst_group(before, after, unchanged=unchanged)
    difference = float(getattr(after, accept.figure) - getattr(before, accept.figure))
    if unchanged:
        return difference, 0.0, 0.0, 1.0 if accept.figure == "accuracy" else None, UNCHANGED
    if accept.figure == "accuracy":
        paired = compare(before, after)
        counts = f"{counted(paired.gained, 'pair')} gained, {paired.lost} lost, McNemar p {paired.p_value:.2g}"
        text = f"95 %: {paired.low:+.4f} to {paired.high:+.4f}; {counts}"
        return difference, paired.low, paired.high, paired.p_value, text
    if not known:
        return difference, None, None, None, ""
    drawn = bootstrap(before, after, "val" if accept.figure == "val" else "auc")
    text = f"95 %: {drawn.low:+.4f} to {drawn.high:+.4f} of {RESAMPLES} resamples"
    expected = before.far_target * (before.n_pairs - before.n_same)
    if accept.figure == "val" and expected < FEW_FALSE_ACCEPTS:
        text += f", too narrow: {expected:.2g} false accepts are expected at FAR {before.far_target:g}"
    return difference, drawn.low, drawn.high, None, text


def _of_worst_group(
    before: VerificationResult, after: VerificationResult, *, unchanged: bool
) -> tuple[float, float, float, None, str]:
    """Return the evidence of the lowest accuracy among groups; the text names the groups."""
    assert after.groups is not None  # the recipe's rules see to it
    change = compare_worst(before, after, after.groups)
    if unchanged:
        return 0.0, 0.0, 0.0, None, UNCHANGED
    names = [f"{one.group} ({one.column}) {one.accuracy:.4f}" for one in (change.before, change.after)]
    text = f"95 %: {change.low:+.4f} to {change.high:+.4f}; {names[0]} before, {names[1]} after"
    return change.difference, change.low, change.high, None, text
