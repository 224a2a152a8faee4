"""Figures of pairs whose second image is perturbed, level by level."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.errors import Problem, UserError
from finetune.images import PERTURBATIONS, Change, Perturbation
from finetune.verification.comparison import Difference, compare
from finetune.verification.measuring import judged
from finetune.verification.result import VerificationResult
from finetune.verification.sets import PairSet
from finetune.words import did_you_mean


class EmbedChanged(Protocol):
    """Protocol of functions that embed images after a change of their pixels, as `Model.embed` does."""

    def __call__(
        self, paths: Sequence[Path], /, *, flip: bool, change: Change | None = None
    ) -> npt.NDArray[np.float32]:
        """Return one row per path, [n, E]; with `flip`, the mirror image's embedding is appended, [n, 2E]."""


class Level(NamedTuple):
    """Figures at one level of a perturbation.

    Attributes:
        level: level of the perturbation.
        result: result of the protocol, whose thresholds are chosen anew, on pairs that are perturbed alike.
        difference: its difference from the clean result, on the same pairs.
        at_clean_threshold: share of right decisions at the threshold of the clean result, 0 to 1.
    """

    level: float
    result: VerificationResult
    difference: Difference
    at_clean_threshold: float


class Curve(NamedTuple):
    """Figures of one perturbation.

    Attributes:
        perturbation: the perturbation.
        levels: figures at each of its levels, in order.
    """

    perturbation: Perturbation
    levels: tuple[Level, ...]


@dataclasses.dataclass(frozen=True, repr=False)
class Robustness(Brief):
    """Figures of pairs without a perturbation, and at each level of some perturbations.

    Attributes:
        clean: result without a perturbation.
        curves: figures by perturbation.
    """

    clean: VerificationResult
    curves: tuple[Curve, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the figures by perturbation, ready for `json.dump`."""
        return {
            curve.perturbation.name: {"unit": curve.perturbation.unit, "levels": [*map(_level_json, curve.levels)]}
            for curve in self.curves
        }


def choose_perturbations(names: str) -> list[Perturbation]:
    """Return the perturbations that a text names, separated by commas; `all` stands for all of them.

    Raises:
        UserError: a name is not one of a perturbation; one line per such name.
    """
    if names == "all":
        return list(PERTURBATIONS.values())
    words = [word.strip() for word in names.split(",")]
    problems = []
    for word in words:
        if word not in PERTURBATIONS:
            meant = did_you_mean(word, PERTURBATIONS)
            advice = f"choose among {', '.join(PERTURBATIONS)}, or all"
            problems.append(Problem("--perturb", f"found {word!r}", f"{meant}; {advice}" if meant else advice))
    if problems:
        raise UserError(*problems)
    return [PERTURBATIONS[word] for word in dict.fromkeys(words)]


def measure_perturbed(
    embed: EmbedChanged, one: PairSet, perturbations: Iterable[Perturbation], size: int
) -> Robustness:
    """Measure pairs whose second image is perturbed, and whose first image is clean.

    The first image stands for an enrolled photo, and the second for a probe in worse circumstances. The published
    `test_invariance_on_lfw.py` changes both alike instead. Clean images are embedded once.

    Args:
        embed: function that embeds images after a change.
        one: pairs, with the settings by which they are judged.
        perturbations: perturbations to measure.
        size: side of the network's input, in pixels.
    """
    pairs, flip = one.pairs, one.section.flip
    clean = embed(pairs.paths, flip=flip)
    second, place = np.unique(pairs.index2, return_inverse=True)
    probes = tuple(pairs.paths[row] for row in second)
    worse = dataclasses.replace(
        pairs,
        paths=(*pairs.paths, *probes),
        people=pairs.people and (*pairs.people, *(pairs.people[row] for row in second)),
        names=pairs.names and (*pairs.names, *(pairs.names[row] for row in second)),
        index2=len(pairs.paths) + place,
    )
    plain = judged(clean, pairs, one.settings)

    def at(perturbation: Perturbation, level: float) -> Level:
        changed = embed(probes, flip=flip, change=perturbation.at(level, size))
        result = judged(np.concatenate([clean, changed]), worse, one.settings)
        assert result.distances is not None
        right = (result.distances < plain.threshold) == result.is_same
        return Level(level, result, compare(plain, result), float(np.mean(right)))

    curves = (Curve(each, tuple(at(each, level) for level in each.levels)) for each in perturbations)
    return Robustness(plain, tuple(curves))


def _level_json(level: Level) -> dict[str, Any]:
    difference = level.difference
    return {
        "level": level.level,
        "accuracy": level.result.accuracy,
        "accuracy_std": level.result.accuracy_std,
        "val": level.result.val,
        "auc": level.result.auc,
        "difference": difference.accuracy,
        "low": difference.low,
        "high": difference.high,
        "at_clean_threshold": level.at_clean_threshold,
    }
