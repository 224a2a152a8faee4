"""What finetune raises: one line a problem, and the exit status that the command ends with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Found = TypeVar("Found")
SHOWN = 20
"""Problems of one kind that are told in full."""


class FinetuneError(Exception):
    """Something that finetune could not do; exit status 1 unless a child says otherwise."""

    exit_status = 1


class UserError(FinetuneError):
    """Input that can't be used. Holds every problem found, one line each.

    Args:
        problems: one line each, of the form ``where: what was found; what to do``.
    """

    exit_status = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


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
        message: what was stopped and how to resume it.
        signal_number: the signal; the exit status is 128 + signal_number, as shells count.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_status = 128 + signal_number


def bounded(problems: Sequence[str], where: str, hint: str) -> list[str]:
    """The first `SHOWN` problems; one line more counts the rest and says what may be behind so many."""
    rest = len(problems) - SHOWN
    return [*problems[:SHOWN], *([f"{where}: {rest} more lines like these; {hint}"] if rest > 0 else [])]


def attempt(problems: list[str], read: Callable[[], Found]) -> Found | None:
    """What `read` gives; or None, its problems added to the others, so that all can be told at once."""
    try:
        return read()
    except UserError as error:
        problems.extend(error.problems)
        return None
