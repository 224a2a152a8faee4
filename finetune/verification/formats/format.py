"""Record of a form of pairs files, and what the forms share."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from finetune.verification import Pair, PairsFile

OF_PERSON = re.compile(r"(.+)_[0-9]+")
"""Name of an image without its suffix, as LFW and its kin name them: the person, and a number."""


class Line(NamedTuple):
    """Line of a file that is not blank: its number, from 1, and its text without the spaces around it."""

    number: int
    text: str


@dataclasses.dataclass(frozen=True)
class TextForm:
    """Form of a pairs file of text.

    Attributes:
        name: description with an article, as in "give LFW's pairs.txt".
        fits: function that returns how many of some lines are written in this form.
        read: function from the path and all lines to the pairs. It raises a DataError with all problems.
    """

    name: str
    fits: Callable[[Sequence[str]], int]
    read: Callable[[Path, Sequence[Line]], PairsFile]


def people_of(pairs: Iterable[Pair]) -> Mapping[str, str] | None:
    """Return the person of each image, or None if every image is in a folder, which then names the person.

    Images outside such folders are taken for LFW's `NAME_0001.jpg`, if the pairs agree with these names. Otherwise
    nobody knows the people, and each has the empty name.
    """
    pairs = list(pairs)
    names = dict.fromkeys(name for pair in pairs for name in pair[:2])
    if all("/" in name for name in names):
        return None
    people = {name: _person(name) for name in names}
    agree = all((people[first] == people[second]) == is_same for first, second, is_same in pairs)
    return people if agree and all(people.values()) else dict.fromkeys(names, "")


def _person(image: str) -> str:
    folder, _, file = image.rpartition("/")
    named = OF_PERSON.fullmatch(file.rpartition(".")[0] or file)
    return folder.rpartition("/")[2] or (named[1] if named else "")
