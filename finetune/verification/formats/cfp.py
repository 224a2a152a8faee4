"""Protocol of CFP, Celebrities in Frontal-Profile (Sengupta et al. 2016): a folder of folds, and two lists of images.

`Protocol/Split/FP` holds the folds `01` to `10`, each with `same.txt` and `diff.txt`. A line of these is a pair, two
numbers of images, as in `12,7`. The first number is a line of `Protocol/Pair_list_F.txt`. The second is a line of
`Pair_list_P.txt`, or of `Pair_list_F.txt` for the folds of `Split/FF`. A line of a list is a number and a path, as in
`12 ../Data/Images/002/frontal/02.jpg`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from finetune.errors import DataError, Problem, attempt, bounded
from finetune.files import read_text
from finetune.paths import excerpt, open_folder
from finetune.verification import Pair, PairsFile

NAME = "CFP's folder Protocol/Split/FP or FF"
LISTS = {"FP": ("Pair_list_F.txt", "Pair_list_P.txt"), "FF": ("Pair_list_F.txt", "Pair_list_F.txt")}
KINDS = {"same.txt": True, "diff.txt": False}
_PAIR = re.compile(r"([0-9]{1,9})\s*,\s*([0-9]{1,9})")
_ENTRY = re.compile(r"([0-9]{1,9})\s+(\S.*)")
_PARTS = 3
"""Number of a path's last parts that are its place in the folder of images: person, pose and file."""


class _Place(NamedTuple):
    """Line of a file."""

    path: Path
    number: int
    text: str

    def problem(self, form: str) -> Problem:
        return Problem(f"{self.path}:{self.number}", f"found {excerpt(self.text)}", f"write {form}")


def read(path: Path) -> PairsFile:
    """Read CFP's folds of frontal and profile images (`FP`), or of frontal images alone (`FF`).

    The images are `PERSON/frontal/NUMBER.jpg` and `PERSON/profile/NUMBER.jpg` within the folder of images.

    Args:
        path: folder `Protocol/Split/FP` or `Protocol/Split/FF`.

    Raises:
        DataError: the folder is another one, or files are missing or malformed; one line per problem.
    """
    lists = LISTS.get(path.name.upper())
    folds = [entry for entry in open_folder(path, NAME) if entry.is_dir()]
    if lists is None or not folds:
        raise DataError(Problem(path, "a folder, and not one of CFP's folds", f"give {NAME}, or a pairs file"))
    problems: list[Problem] = []
    images = [attempt(problems, functools.partial(_images, path.parent.parent / name)) for name in lists]
    found = [
        attempt(problems, functools.partial(_pairs, folder / file, images, is_same))
        for folder in folds
        for file, is_same in KINDS.items()
    ]
    if problems:
        raise DataError(*bounded(list(dict.fromkeys(problems)), path, f"is it {NAME}?"))
    pairs = tuple(pair for part in found for pair in part or ())
    fold_of = tuple(place // len(KINDS) for place, part in enumerate(found) for _ in part or ())
    people = {name: name.partition("/")[0] for pair in pairs for name in pair[:2]}
    return PairsFile(pairs, len(folds), folds=fold_of, people=people)


def _pairs(path: Path, images: Sequence[Mapping[int, str] | None], is_same: bool) -> list[Pair]:  # noqa: FBT001
    """Return the pairs of one kind in a fold; a list of images that can't be read is not searched."""
    pairs, problems = [], []
    for line in _lines(path):
        numbers = _PAIR.fullmatch(line.text)
        if numbers is None:
            problems.append(line.problem("two numbers of images, as in 12,7"))
            continue
        names = ["" if known is None else known.get(int(numbers[side])) for side, known in enumerate(images, 1)]
        if names[0] is None or names[1] is None:
            problems.append(line.problem("numbers that are in the lists of images"))
        else:
            pairs.append(Pair(names[0], names[1], is_same))
    if problems:
        raise DataError(*problems)
    return pairs


def _images(path: Path) -> dict[int, str]:
    """Return the images of a list by number."""
    images: dict[int, str] = {}
    problems = []
    for line in _lines(path):
        found = _ENTRY.fullmatch(line.text)
        if found is None:
            problems.append(line.problem("a number and a path, as in 1 ../Data/Images/001/frontal/01.jpg"))
        else:
            images[int(found[1])] = "/".join(found[2].replace("\\", "/").split("/")[-_PARTS:])
    if problems:
        raise DataError(*problems)
    return images


def _lines(path: Path) -> Iterator[_Place]:
    for number, line in enumerate(read_text(path, NAME).splitlines(), 1):
        if line.strip():
            yield _Place(path, number, line.strip())
