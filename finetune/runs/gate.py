"""Whether a stage is kept: `accept:` of the recipe against LFW before and after."""

from __future__ import annotations

import dataclasses

from finetune.evaluation import LFWResult
from finetune.recipe import Accept

_FIELDS = {"lfw_accuracy": "accuracy", "lfw_val": "val", "lfw_auc": "auc"}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether the stage's weights are kept, and why, in words."""

    accepted: bool
    reason: str


def decide(accept: Accept | None, before: LFWResult | None, after: LFWResult | None) -> Verdict:
    """Accepts a stage whose metric fell by no more than the recipe allows.

    Args:
        accept: the stage's section; without it every stage is kept.
        before: on the weights that the stage started from.
        after: on the stage's kept epoch, for the same pairs.
    """
    if accept is None or before is None or after is None:
        return Verdict(True, "")
    field = _FIELDS[accept.metric]
    drop = getattr(before, field) - getattr(after, field)
    change = (
        f"{accept.metric} {'fell' if drop > 0 else 'rose'} by {abs(drop):.4f}" if drop else f"{accept.metric} stayed"
    )
    # A drop of just the bound must pass, whatever the last bit of the subtraction.
    if drop <= accept.max_drop + 1e-12:
        return Verdict(True, f"{change}, at most {accept.max_drop:g} allowed")
    return Verdict(False, f"{change}, more than the {accept.max_drop:g} allowed; rolled back")
