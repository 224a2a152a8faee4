"""The sets of pairs that a run measures, opened and checked, with the summaries by which runs are compared."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from finetune.errors import Problem, attempt
from finetune.images import Preprocessing, Records, refuse_colors
from finetune.recipe import WORST_GROUP, Recipe
from finetune.verification import OF_LFW, TOO_FEW, ImagePairs, PairSet, usable, without_rates


class MeasuredPairs:
    """The sets of pairs of a recipe: LFW's, and those of `measure`.

    Args:
        recipe: recipe of the run.
        crop: side in pixels of the network's input, if known. Smaller images can't be used.
        inspect: function that returns the records of images.
        problems: list that every problem of any set is added to.
        every_image: True to inspect all images of LFW's pairs, and not just those of the sample.

    Attributes:
        sets: sets to measure, each with the pairs of its sample.
        of_lfw: all of LFW's pairs, with which the doctor compares the training images; None without LFW.
    """

    def __init__(
        self,
        recipe: Recipe,
        crop: int | None,
        inspect: Callable[[Sequence[Path]], Records],
        problems: list[Problem],
        *,
        every_image: bool,
    ) -> None:
        self.sets: tuple[PairSet, ...] = ()
        self.of_lfw: ImagePairs | None = None
        for name, section in recipe.sets.items():
            every = attempt(problems, functools.partial(PairSet.open, name, section))
            if every and name == OF_LFW:
                self.of_lfw = every.pairs
            one = attempt(problems, every.sampled) if every else None
            if every and one and crop:
                records = inspect(every.pairs.paths if every_image and name == OF_LFW else one.pairs.paths)
                pairs = attempt(problems, functools.partial(usable, one.pairs, section, crop, records))
                one = dataclasses.replace(one, pairs=pairs) if pairs else None
            if one and one.groups and name in _judged_by_groups(recipe) and without_rates(one.groups):
                found = "found no group with enough pairs for the gate"
                problems.append(Problem(section.groups or "", found, TOO_FEW))
            self.sets += (one,) if one else ()

    def refuse_colors(self, contract: Preprocessing, problems: list[Problem]) -> None:
        """Add the problems of images whose colors the network does not take."""
        for one in self.sets:
            attempt(problems, functools.partial(refuse_colors, one.pairs.paths, contract, one.section.dir))


def _judged_by_groups(recipe: Recipe) -> list[str]:
    """Return the names of the sets whose groups some stage is judged by."""
    return [stage.accept.pairs for stage in recipe.stages if stage.accept and stage.accept.figure == WORST_GROUP]


def part_of(name: str) -> str:
    """Return the name of a set among the parts of a run's images."""
    return name if name == OF_LFW else f"measure.{name}"


def summaries(sets: Sequence[PairSet], trained_names: Sequence[str]) -> dict[str, Any]:
    """Return the numbers of LFW's pairs under `lfw`, and those of other sets, if any, by name under `measure`.

    They have digests of the pairs, and of the people who count as trained on.
    """
    of_lfw = next((one for one in sets if one.name == OF_LFW), None)
    others = {one.name: _summary(one) for one in sets if one.name != OF_LFW}
    lfw = _summary(of_lfw) | {"trained": digest_of(trained_names)}
    return {"lfw": lfw, **({"measure": others} if others else {})}


def _summary(one: PairSet | None) -> dict[str, Any]:
    pairs = one.pairs if one else None
    return {
        "pairs": len(pairs.is_same) if pairs else 0,
        "folds": pairs.n_folds if pairs else 0,
        "missing": list(pairs.missing) if pairs else [],
        "unaligned": list(pairs.unaligned) if pairs else [],
        "sha256": pairs.sha256 if pairs else None,
        **({"groups": one.groups.sha256} if one and one.groups else {}),
    }


def digest_of(lines: Iterable[str]) -> str:
    """Return one digest of several lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
