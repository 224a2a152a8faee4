"""Choice among several weights: the first ones, unless later ones are shown to be better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.verification.comparison import paired_interval

HELD_BACK = "held-back accuracy"
"""Name of the figure that shows whether training helps to name the people trained on."""
FEW_PEOPLE = 20
"""Number of people up to which a gallery without training often does as well."""


class Score(NamedTuple):
    """Accuracy, with the answers behind it.

    Attributes:
        accuracy: share of correct answers, 0 to 1.
        correct: True for each correct answer, bool [n].
        flattered: True if the questions include people who were trained on. A gain then shows little, but a loss does.
    """

    accuracy: float
    correct: npt.NDArray[np.bool_]
    flattered: bool = False


class Candidate(NamedTuple):
    """Weights that may be used.

    Attributes:
        name: description, such as `stage 'head'`.
        folder: folder of the checkpoint; None for weights that are in no checkpoint.
        scores: scores, by the name of the figure.
    """

    name: str
    folder: Path | None
    scores: Mapping[str, Score]


class Change(NamedTuple):
    """Score before and after, with the 95 % interval of the difference on the same questions."""

    what: str
    before: float
    after: float
    low: float
    high: float
    flattered: bool

    def __str__(self) -> str:
        verb = "fell" if self.high < 0 else "rose" if self.low > 0 else "went"
        interval = f"95 % of the difference: {self.low:+.4f} to {self.high:+.4f}"
        return f"{self.what} {verb} from {self.before:.4f} to {self.after:.4f} ({interval})"


class Verdict(NamedTuple):
    """Choice of the weights to use.

    Attributes:
        place: 0 for the checkpoint that the run started from, else the number of the stage among the candidates, from
            1.
        folder: folder of the checkpoint to use; None if there is none.
        text: the choice and its reasons, in plain sentences.
    """

    place: int
    folder: Path | None
    text: str

    def __str__(self) -> str:
        return self.text


def changes(before: Mapping[str, Score], after: Mapping[str, Score]) -> list[Change]:
    """Return the change of each score that was measured both times on the same questions."""
    found = []
    for what, old in before.items():
        new = after.get(what)
        if new is not None and len(new.correct) == len(old.correct):
            paired = paired_interval(old.correct, new.correct)
            flattered = old.flattered or new.flattered
            found.append(Change(what, old.accuracy, new.accuracy, paired.low, paired.high, flattered))
    return found


def losses(before: Mapping[str, Score], after: Mapping[str, Score]) -> list[Change]:
    """Return the changes that are significant losses: the whole interval is below 0."""
    return [change for change in changes(before, after) if change.high < 0]


def verdict(start: Candidate, stages: Sequence[Candidate], people: int) -> Verdict:
    """Return the weights to use.

    A stage replaces the weights chosen so far if it is shown to be better at something. It must not be shown to be
    worse at anything, compared with these weights or with the start. "Shown" means that the 95 % interval of the paired
    difference is on one side of 0.

    Args:
        start: checkpoint that the run started from, with the nearest class mean as its classifier.
        stages: stages that were kept, in their order.
        people: number of people trained on.
    """
    best, place, why = start, 0, ""
    worse: dict[str, list[Change]] = {}
    for number, stage in enumerate(stages, start=1):
        lost = losses(start.scores, stage.scores)
        gains = [change for change in changes(best.scores, stage.scores) if change.low > 0 and not change.flattered]
        if lost:
            worse[stage.name] = lost
        elif gains and not losses(best.scores, stage.scores):
            why = f"compared with {best.name}, {_listed(gains)}"
            best, place = stage, number
    sentences = [f"Use {best.name}: {why}."] if place else _without_training(start, stages, people)
    later = [stage.name for stage in stages[place:] if stage.name not in worse]
    if place and later:
        sentences.append(f"Not shown to be better still: {', '.join(later)}.")
    sentences += [f"Worse than the start: {name}, where {_listed(lost)}." for name, lost in worse.items()]
    return Verdict(place, best.folder, " ".join(sentences))


def _without_training(start: Candidate, stages: Sequence[Candidate], people: int) -> list[str]:
    """Return sentences that say why the start is chosen, and what may replace training."""
    if start.folder is None:
        return [
            f"No stage is shown to be better than {start.name}: train for more epochs, or at another learning rate."
        ]
    if not stages:
        why = "no stage was kept"
    elif any(changes(start.scores, stage.scores) for stage in stages):
        why = "no stage is shown to be better"
    else:
        why = "nothing was measured that could show a stage to be better"
    sentences = [f"Use {start.name}, with a gallery: {why}."]
    if HELD_BACK not in start.scores:
        why = "to see whether a stage names your people better"
        sentences.append(f"Nothing is known of held-back images: give data.validation_split {why}.")
    if people <= FEW_PEOPLE:
        sentences.append(f"For {people} people a gallery without training may do.")
    return sentences


def _listed(found: Iterable[Change]) -> str:
    return " and ".join(map(str, found))
