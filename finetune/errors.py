"""The errors of finetune: problems as data, and the exit status of the command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")
SHOWN = 20
"""Largest number of problems of one kind that are listed."""


@dataclass(frozen=True)
class Problem:
    """One problem, as data. Its text ``where: what was found; what to do`` is made when it is printed.

    Attributes:
        where: file (with line), key, option or argument; empty if `found` is enough.
        found: description of the problem.
        advice: advice to the user; empty if `found` is enough.
    """

    where: str | Path
    found: str
    advice: str = ""

    def __str__(self) -> str:
        said = "; ".join(filter(None, (self.found, self.advice)))
        return f"{self.where}: {said}" if self.where else said

    def within(self, place: str | Path = "", advice: str = "") -> Problem:
        """Return the problem with `place` before its own place and `advice` after its own; both may be empty."""
        where = f"{place}: {self.where}" if place and self.where else place or self.where
        return Problem(where, self.found, "; ".join(filter(None, (self.advice, advice))))


class FinetuneError(Exception):
    """The base of finetune's errors; the exit status is 1 unless a subclass sets another.

    Args:
        problems: all problems that were found. The text of the error has one line per problem.

    Example:
        >>> from finetune import FinetuneError, Recipe
        >>> try:
        ...     Recipe.load("recipes/demo.yaml", {"stages.head.epochs": 0})
        ... except FinetuneError as error:
        ...     print(error)
        command line stages.0.epochs: found 0; give a whole number from 1
    """

    exit_status = 1

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))

    def within(self, place: str | Path = "", advice: str = "") -> list[Problem]:
        """Return all problems with `place` before their places and `advice` added; see `Problem.within`."""
        return [problem.within(place, advice) for problem in self.problems]


class UserError(FinetuneError):
    """Unusable input, with all problems that were found."""

    exit_status = 2


class RecipeError(UserError):
    """A recipe, or an option given in its place, that can't be used."""


class CheckpointError(UserError):
    """A checkpoint that is missing, damaged or of another network."""


class DataError(UserError):
    """A folder of images, an image, or a pairs file that can't be used."""


class RunError(FinetuneError):
    """A run that had to end early: a full disk, a loss that is not a number."""


class NotFinite(RunError):
    """Embeddings with NaN or infinite values: training has destroyed the weights."""


class ExportFailed(FinetuneError):
    """An export that its runtime can't load, or that differs from its checkpoint; nothing is left of it."""


class Interrupted(FinetuneError):
    """A run that was asked to stop (SIGTERM, Ctrl-C) and can be resumed.

    Args:
        problem: description of the stopped run, and how to resume it.
        signal_number: number of the signal; the exit status is 128 + signal_number, as in shells.
    """

    def __init__(self, problem: Problem, signal_number: int) -> None:
        super().__init__(problem)
        self.exit_status = 128 + signal_number


def bounded(problems: Sequence[Problem], where: str | Path, hint: str) -> list[Problem]:
    """Return the first `SHOWN` problems, and one more that counts the rest and gives `hint` as their likely cause."""
    rest = len(problems) - SHOWN
    return [*problems[:SHOWN], *([Problem(where, f"{rest} more lines like these", hint)] if rest > 0 else [])]


def attempt(problems: list[Problem], read: Callable[[], Found]) -> Found | None:
    """Return the result of `read`, or None after adding its problems to `problems`, to report all at once."""
    try:
        return read()
    except UserError as error:
        problems.extend(error.problems)
        return None
