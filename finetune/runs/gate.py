"""Whether a stage is kept: `accept:` of the recipe against the same pairs before and after."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from finetune.recipe import Accept
from finetune.record import Evidence
from finetune.verification import RESAMPLES, VerificationResult, bootstrap, compare
from finetune.words import counted

FEW_FALSE_ACCEPTS = 2
"""Expected at the FAR; with fewer the interval of a validation rate is too narrow: its threshold hangs on one pair."""
ROUNDING = 1e-12
"""A drop of just the margin must pass, whatever the last bit of the subtraction."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """Whether the stage's weights are kept, and why, in words.

    Attributes:
        difference: of the metric, after less before; None where nothing was judged. With `low` and `high`, its 95 %
            interval.
        p_value: of McNemar's test on the decisions; None for other figures than the accuracy.
    """

    accepted: bool
    reason: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None


def judge(accept: Accept | None, start: Evidence, began: Evidence, trained: Evidence) -> Decision:
    """Decide whether a stage is kept, by the figures that its section names.

    Args:
        accept: the stage's section; without it every stage is kept.
        start: what was measured before the first stage.
        began: with the weights that the stage started from.
        trained: with those of its kept epoch.
    """
    before = start if accept and accept.since == "baseline" else began
    if accept and accept.pairs == "strangers":
        old, new = (evidence.trade_off.strangers if evidence.trade_off else None for evidence in (before, trained))
        return decide(accept, old, new)
    return decide(accept, before.lfw, trained.lfw)


def decide(accept: Accept | None, before: VerificationResult | None, after: VerificationResult | None) -> Decision:
    """Accept a stage whose metric fell by no more than the recipe allows.

    Args:
        accept: the stage's section; without it every stage is kept.
        before: on the weights that the section compares with (`since`), for the pairs that it names.
        after: on the stage's kept epoch, for the same pairs.
    """
    if accept is None or before is None or after is None:
        return Decision(accepted=True)
    difference = float(getattr(after, accept.figure) - getattr(before, accept.figure))
    low, high, p_value, evidence = _evidence(accept, before, after)
    fell = "fell" if difference < 0 else "rose"
    metric = accept.metric if after.sample_of is None else f"{accept.metric} of the sample"
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
    accepted = judged is not None and math.isfinite(judged) and judged >= -accept.max_drop - ROUNDING
    allowed = f"{'at most' if accepted else 'more than the'} {accept.max_drop:g} allowed"
    return Decision(accepted, f"{change}{interval}, {allowed}{what}", difference, low, high, p_value)


def _evidence(
    accept: Accept, before: VerificationResult, after: VerificationResult
) -> tuple[float | None, float | None, float | None, str]:
    """The ends of the 95 % interval, McNemar's p, and both in words."""
    known = before.distances is not None and after.distances is not None
    if known and np.array_equal(before.distances, after.distances):  # type: ignore[arg-type]
        return 0.0, 0.0, 1.0 if accept.figure == "accuracy" else None, "every distance is as it was"
    if accept.figure == "accuracy":
        paired = compare(before, after)
        counts = f"{counted(paired.gained, 'pair')} gained, {paired.lost} lost, McNemar p {paired.p_value:.2g}"
        text = f"95 %: {paired.low:+.4f} to {paired.high:+.4f}; {counts}"
        return paired.low, paired.high, paired.p_value, text
    if not known:
        return None, None, None, ""
    drawn = bootstrap(before, after, "val" if accept.figure == "val" else "auc")
    text = f"95 %: {drawn.low:+.4f} to {drawn.high:+.4f} of {RESAMPLES} resamples"
    expected = before.far_target * (before.n_pairs - before.n_same)
    if accept.figure == "val" and expected < FEW_FALSE_ACCEPTS:
        text += f", too narrow: {expected:.2g} false accepts are expected at FAR {before.far_target:g}"
    return drawn.low, drawn.high, None, text
