"""Gain against forgetting: how well a model knows the people it learned, and people it will never see."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from finetune.brief import Brief
from finetune.identification import OpenSet
from finetune.verification import VerificationResult, paired_interval

FAR = 0.01
"""At which strangers are identified as somebody who was learned."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TradeOff(Brief):
    """How well a model knows the people it learned, and people it has never seen.

    Attributes:
        strangers: FaceNet's protocol on pairs of strangers.
        learned: the held-back images of the people who are trained on, named by the nearest mean of their training
            images, with strangers as impostors; None where nothing is held back.
    """

    strangers: VerificationResult
    learned: OpenSet | None

    def to_json(self) -> dict[str, Any]:
        """Return what a file of the run's folder keeps."""
        return {"strangers": self.strangers.to_json(), "learned": self.learned.to_json() if self.learned else None}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TradeOff:
        """Read what `to_json` gave."""
        learned = OpenSet.from_json(stored["learned"]) if stored["learned"] else None
        return cls(VerificationResult.from_json(stored["strangers"]), learned)


def columns(before: TradeOff, now: TradeOff) -> dict[str, float | None]:
    """Return the columns of the history, with the intervals of the differences to the one before."""
    forgetting = paired_interval(before.strangers.correct, now.strangers.correct)
    values: dict[str, float | None] = {
        "strangers_accuracy": now.strangers.accuracy,
        "strangers_low": forgetting.low,
        "strangers_high": forgetting.high,
        "strangers_val": now.strangers.val,
    }
    if before.learned and now.learned:
        gain = paired_interval(before.learned.correct, now.learned.correct)
        values |= {
            "learned_accuracy": now.learned.rank1,
            "learned_low": gain.low,
            "learned_high": gain.high,
            "strangers_dir": now.learned.dir,
        }
    return values
