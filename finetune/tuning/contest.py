"""The test of a search: the recipe as given and the best that was found, on images that the search never saw."""

from __future__ import annotations

import dataclasses
from typing import Any

from finetune.record import HeldBack
from finetune.verification import paired_interval
from finetune.words import counted

LEVEL = 0.05
"""Largest p-value at which a difference counts as shown."""


@dataclasses.dataclass(frozen=True)
class Contest:
    """Names given to the same images by the recipe as given and by the best of the search.

    Attributes:
        given: images named after training the recipe as given.
        best: images named after training the best recipe.
    """

    given: HeldBack
    best: HeldBack

    @property
    def better(self) -> bool:
        """Whether the best names more images correctly, and McNemar's exact test shows it."""
        found = paired_interval(self.given.correct, self.best.correct)
        return found.difference > 0 and found.p_value <= LEVEL

    def __str__(self) -> str:
        found = paired_interval(self.given.correct, self.best.correct)
        verdict = "the best beats the recipe as given" if self.better else "no gain is shown over the recipe as given"
        return (
            f"{counted(len(self.best.correct), 'image')} that the search never saw: best {self.best.accuracy:.4f}, as "
            f"given {self.given.accuracy:.4f}; {found.difference:+.4f} (95 %: {found.low:+.4f} to {found.high:+.4f}; "
            f"{counted(found.gained, 'image')} gained, {found.lost} lost, McNemar p {found.p_value:.2g}): {verdict}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return both results with their single answers, and the paired difference."""
        found = paired_interval(self.given.correct, self.best.correct)
        return {
            "given": self.given.to_json(),
            "best": self.best.to_json(),
            "difference": found._asdict(),
            "better": self.better,
        }
