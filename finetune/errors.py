"""What finetune raises: problems as data, and the exit status that the command ends with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")
SHOWN = 20
"""Problems of one kind that are told in full."""


@dataclass(frozen=True)
class Problem:
    """One problem, as data: its text ``where: what was found; what to do`` is made when it is printed.

    Attributes:
        where: the file (with its line), the key, the option or the argument; empty where `found` says it all.
        found: what is wrong there.
        advice: what to do; empty where `found` says it all.
    """

    where: str | Path
    found: str
    advice: str = ""

    def __str__(self) -> str:
        said = "; ".join(filter(None, (self.found, self.advice)))
        return f"{self.where}: {said}" if self.where else said

    def within(self, place: str | Path = "", advice: str = "") -> Problem:
        """Return the problem with a wider place before its own, and more advice after its own; both may be empty."""
        where = f"{place}: {self.where}" if place and self.where else place or self.where
        return Problem(where, self.found, "; ".join(filter(None, (self.advice, advice))))


class FinetuneError(Exception):
    """Something that finetune could not do; exit status 1 unless a child says otherwise.

    Args:
        problems: every problem that was found; the text of the error has one line for each.
    """

    exit_status = 1

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))

    def within(self, place: str | Path = "", advice: str = "") -> list[Problem]:
        """Return each problem within a wider place, with more advice; see `Problem.within`."""
        return [problem.within(place, advice) for problem in self.problems]


class UserError(FinetuneError):
    """Input that can't be used, with every problem that was found."""

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
    """Embeddings that are no numbers: training has destroyed the weights."""


class ExportFailed(FinetuneError):
    """An export that its runtime can't load, or that does not compute what its checkpoint does; nothing is left."""


class Interrupted(FinetuneError):
    """A run that was asked to stop (SIGTERM, Ctrl-C) and can be resumed.

    Args:
        problem: what was stopped and how to resume it.
        signal_number: the signal; the exit status is 128 + signal_number, as shells count.
    """

    def __init__(self, problem: Problem, signal_number: int) -> None:
        super().__init__(problem)
        self.exit_status = 128 + signal_number


def bounded(problems: Sequence[Problem], where: str | Path, hint: str) -> list[Problem]:
    """Return the first `SHOWN` problems, and one more that counts the rest and says what may be behind so many."""
    rest = len(problems) - SHOWN
    return [*problems[:SHOWN], *([Problem(where, f"{rest} more lines like these", hint)] if rest > 0 else [])]


def attempt(problems: list[Problem], read: Callable[[], Found]) -> Found | None:
    """Return what `read` gives; or None, its problems added to the others, so that all can be told at once."""
    try:
        return read()
    except UserError as error:
        problems.extend(error.problems)
        return None
