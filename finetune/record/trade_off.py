"""The trade-off between gain and forgetting: recognition of learned people, and of people never seen in training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from finetune.brief import Brief
from finetune.identification import OpenSet
from finetune.verification import VerificationResult, paired_interval

FAR = 0.01
"""Rate at which strangers are wrongly identified as a learned person."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TradeOff(Brief):
    """The measurements of a model on the people it learned, and on strangers: people it has never seen.

    Attributes:
        strangers: result of FaceNet's protocol on pairs of strangers.
        learned: result on held-back images of the people in training, named by the nearest mean of their training
            images, with strangers as impostors; None without held-back images.
    """

    strangers: VerificationResult
    learned: OpenSet | None

    def to_json(self) -> dict[str, Any]:
        """Return the content of a file in the run's folder."""
        return {"strangers": self.strangers.to_json(), "learned": self.learned.to_json() if self.learned else None}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TradeOff:
        """Return the object that `to_json` described."""
        learned = OpenSet.from_json(stored["learned"]) if stored["learned"] else None
        return cls(VerificationResult.from_json(stored["strangers"]), learned)


def columns(before: TradeOff, now: TradeOff) -> dict[str, float | None]:
    """Return columns of the history, with intervals of the differences between `before` and `now`."""
    values = pair_columns("strangers", before.strangers, now.strangers)
    if before.learned and now.learned:
        gain = paired_interval(before.learned.correct, now.learned.correct)
        values |= {
            "learned_accuracy": now.learned.rank1,
            "learned_low": gain.low,
            "learned_high": gain.high,
            "strangers_dir": now.learned.dir,
        }
    return values


def pair_columns(pairs: str, before: VerificationResult, now: VerificationResult) -> dict[str, float | None]:
    """Return columns of the history on the same pairs, with the interval of the difference.

    Args:
        pairs: name of the set of pairs. A dot follows the names of `measure`, so that no other column has such a name.
        before, now: results before the run and now.
    """
    change = paired_interval(before.correct, now.correct)
    values = {"accuracy": now.accuracy, "low": change.low, "high": change.high, "val": now.val}
    separator = "_" if pairs in ("lfw", "strangers") else "."
    return {f"{pairs}{separator}{name}": value for name, value in values.items()}
