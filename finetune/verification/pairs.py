"""Pairs files in LFW's format, which may also name files instead of numbers, and the images that they name."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.errors import DataError, Problem, bounded
from finetune.files import read_text
from finetune.images import SUFFIXES as IMAGES
from finetune.names import look_the_same, normal, spelled_alike, spelling
from finetune.paths import entries, excerpt
from finetune.words import counted

DEFAULT_FOLDS = 10
SUFFIXES = (".jpg", ".jpeg", ".png")
"""Suffixes of a numbered image, the preferred one first."""
FORM = "a pairs file in LFW's form"
NUMBER = re.compile(r"[0-9]{1,9}")


class Pair(NamedTuple):
    """Pair of images, `NAME/NAME_0001` or `NAME/FILE.jpg`, and whether they are of one person."""

    first: str
    second: str
    is_same: bool


@dataclasses.dataclass(frozen=True, repr=False)
class PairsFile(Brief):
    """Pairs file as written.

    Attributes:
        pairs: pairs in the order of the file.
        n_folds: number of folds in the header, or 10.
        notes: remarks on a result with these pairs, one sentence each.
    """

    pairs: tuple[Pair, ...]
    n_folds: int
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, repr=False)
class ImagePairs(Brief):
    """Pairs whose images exist.

    Attributes:
        paths: images, each once, in the order in which the pairs first name them.
        index1: index in `paths` of each pair's first image, int [n].
        index2: index in `paths` of each pair's second image, int [n].
        is_same: True for each pair of one person, bool [n].
        n_folds: number of folds of the cross-validation.
        missing: images that are named but missing, as `NAME/NAME_0001`.
        n_skipped: number of pairs that were left out because of them.
        notes: remarks on a result with these pairs, one sentence each.
        unaligned: the sentence among `notes` that the images look unaligned. Empty if they do not, or if this was not
            checked.
        sample_of: number of pairs that these are a sample of; None for all pairs.
    """

    paths: tuple[Path, ...]
    index1: npt.NDArray[np.intp]
    index2: npt.NDArray[np.intp]
    is_same: npt.NDArray[np.bool_]
    n_folds: int
    missing: tuple[str, ...] = ()
    n_skipped: int = 0
    notes: tuple[str, ...] = ()
    unaligned: tuple[str, ...] = ()
    sample_of: int | None = None

    @property
    def identities(self) -> tuple[str, ...]:
        """Person of each of `paths`: the name of its folder."""
        return tuple(path.parent.name for path in self.paths)

    @property
    def sha256(self) -> str:
        """Digest of the pairs by the names of their images, in whatever folder the images are."""
        named = [path.stem if numbered(path) is not None else f"{path.parent.name}/{path.name}" for path in self.paths]
        lines = (f"{named[i]}\t{named[j]}\n" for i, j in zip(self.index1, self.index2, strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def only(self, keep: npt.NDArray[np.bool_]) -> ImagePairs:
        """Return some of the pairs, with the images of all pairs; `keep` is bool [n]."""
        index1, index2 = self.index1[keep], self.index2[keep]
        return dataclasses.replace(self, index1=index1, index2=index2, is_same=self.is_same[keep])


def read_pairs(path: str | Path) -> PairsFile:
    """Read a pairs file in LFW's format.

    A line is `NAME n1 n2` for two images of one person, or `NAME1 n1 NAME2 n2` for two people. Fields are separated by
    tabs if the line has any (names may then contain spaces), else by white space. The name of a file, with its suffix,
    may replace a number. The first line may be a header: the number of folds and of pairs of each kind per fold, or the
    number of pairs of each kind alone. Without a number of folds, or with one fold, there are 10, as in the published
    evaluation.

    Raises:
        DataError: the file can't be read, or it has malformed lines; one line per malformed line.
    """
    path = Path(os.path.expanduser(path))
    lines = [
        (number, line.strip()) for number, line in enumerate(read_text(path, FORM).splitlines(), 1) if line.strip()
    ]
    header = _header(lines[0][1]) if lines else None
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for number, line in lines[header is not None :]:
        try:
            pairs.append(_pair(line))
        except DataError as error:
            problems += error.within(f"{path}:{number}")
    if header is not None and header[0] == 0:
        problems.insert(0, Problem(f"{path}:{lines[0][0]}", "the header asks for 0 folds", "write 10, as LFW does"))
    if not pairs and not problems:
        problems.append(Problem(path, "found no pairs", f"give {FORM}"))
    if problems:
        raise DataError(*bounded(problems, path, "is it a pairs file?"))
    notes = [
        f"{path.name} names {other!a} and {first!a}, which are one name, as two people"
        for first, other in spelled_alike(_person(image) for pair in pairs for image in pair[:2])
    ]
    if header is None:
        return PairsFile(tuple(pairs), DEFAULT_FOLDS, tuple(notes))
    n_folds, promised = header
    if promised != len(pairs):
        notes.insert(0, f"the header of {path.name} promises {counted(promised, 'pair')}, it holds {len(pairs)}")
    return PairsFile(tuple(pairs), n_folds if n_folds > 1 else DEFAULT_FOLDS, tuple(notes))


def image_name(person: str, image: int | str) -> str:
    """Return `NAME/NAME_0001` for a number, as in pairs files, or `NAME/FILE.jpg` for the name of a file."""
    return f"{person}/{person}_{int(image):04d}" if NUMBER.fullmatch(str(image)) else f"{person}/{image}"


def numbered(path: Path) -> int | None:
    """Return 4 for `NAME/NAME_0004.jpg`, or None if the file is not named like LFW's."""
    digits = path.stem.rpartition("_")[2]
    if path.suffix.lower() not in SUFFIXES or not NUMBER.fullmatch(digits):
        return None
    name = normal(path.parent.name)
    return int(digits) if image_name(name, digits) == f"{name}/{normal(path.stem)}" else None


def number_of(image: str) -> int | None:
    """Return 4 for a pair's image `NAME/NAME_0004`, or None if it names a file."""
    return None if image.lower().endswith(IMAGES) else numbered(Path(f"{image}.jpg"))


def resolve(pairs_file: PairsFile, lfw_dir: str | Path, missing: Literal["error", "skip"] = "error") -> ImagePairs:
    """Find the images of the pairs: `NAME/NAME_0001` with `.jpg`, `.jpeg` or `.png` in any case, or the named file.

    A name that does not exist as written is looked up in other spellings, because macOS writes folder names decomposed.

    Args:
        pairs_file: result of `read_pairs`.
        lfw_dir: folder with one folder per person.
        missing: `error` to refuse missing images, `skip` to leave their pairs out and count them.

    Raises:
        DataError: `lfw_dir` is not a folder, images are missing, or no pair is left.
    """
    folder = Path(os.path.expanduser(lfw_dir))
    if not folder.is_dir():
        raise DataError(
            Problem(folder, "found no folder", "give the one that holds LFW's aligned faces, a folder for each person")
        )
    wanted = dict.fromkeys(name for pair in pairs_file.pairs for name in (pair.first, pair.second))
    found = _find(wanted, folder)
    absent = tuple(name for name in wanted if name not in found)
    kept = [pair for pair in pairs_file.pairs if pair.first in found and pair.second in found]
    if absent and (missing == "error" or not kept):
        shown = ", ".join(absent[:3]) + (", …" if len(absent) > 3 else "")
        what = "add them, or skip their pairs with missing: skip" if kept else "is it the folder of aligned faces?"
        raise DataError(
            Problem(folder, f"missing {len(absent)} of the {len(wanted)} images in the pairs: {shown}", what)
        )
    order = {name: i for i, name in enumerate(dict.fromkeys(n for pair in kept for n in (pair.first, pair.second)))}
    n_skipped = len(pairs_file.pairs) - len(kept)
    skipped = (f"{n_skipped} of {len(pairs_file.pairs)} pairs were skipped; missing images: {len(absent)}",)
    return ImagePairs(
        paths=tuple(found[name] for name in order),
        index1=np.array([order[pair.first] for pair in kept], dtype=np.intp),
        index2=np.array([order[pair.second] for pair in kept], dtype=np.intp),
        is_same=np.array([pair.is_same for pair in kept], dtype=bool),
        n_folds=pairs_file.n_folds,
        missing=absent,
        n_skipped=n_skipped,
        notes=pairs_file.notes + (skipped if n_skipped else ()),
    )


def _header(line: str) -> tuple[int, int] | None:
    """Return the number of folds (1 by default) and the number of pairs in all, if the line is a header."""
    fields = line.split()
    if len(fields) > 2 or not all(NUMBER.fullmatch(field) for field in fields):
        return None
    n_folds, per_fold = (1, int(fields[0])) if len(fields) == 1 else (int(fields[0]), int(fields[1]))
    return n_folds, 2 * n_folds * per_fold


def _pair(line: str) -> Pair:
    fields = [field.strip() for field in line.split("\t")] if "\t" in line else line.split()
    match fields:
        case [name, n1, n2] if _is_image(n1) and _is_image(n2):
            return Pair(image_name(name, n1), image_name(name, n2), is_same=True)
        case [name1, n1, name2, n2] if _is_image(n1) and _is_image(n2):
            if name1 == name2 or look_the_same([name1, name2]):
                one_person = f"write {name1} {n1} {n2} for a pair of one person"
                raise DataError(Problem("", f"names {name1!r} twice", one_person))
            return Pair(image_name(name1, n1), image_name(name2, n2), is_same=False)
    tabs = "; separate them by tabs where a name holds spaces" if "\t" not in line and len(fields) > 3 else ""
    form = f"write NAME n1 n2 for one person, NAME1 n1 NAME2 n2 for two{tabs}"
    raise DataError(Problem("", f"found {excerpt(line)}", form))


def _is_image(field: str) -> bool:
    """Return whether a field is a number, or the name of an image file."""
    return bool(NUMBER.fullmatch(field)) or field.lower().endswith(IMAGES)


def _person(image: str) -> str:
    return image.rpartition("/")[0]


def _find(wanted: Iterable[str], folder: Path) -> dict[str, Path]:
    """Find the named images, `{name in the pairs: path}`."""
    spellings: dict[str, list[Path]] = {}
    for path in entries(folder):
        spellings.setdefault(spelling(path.name), []).append(path)
    found: dict[str, Path] = {}
    images: dict[str, dict[int | str, Path]] = {}
    for image in wanted:
        person, _, name = image.rpartition("/")
        if person not in images:
            place, others = folder / person, spellings.get(spelling(person), [])
            images[person] = _images(others[0] if len(others) == 1 and not place.is_dir() else place)
        number = number_of(image)
        there = images[person].get(normal(name) if number is None else number)
        if there is not None:
            found[image] = there
    return found


def _images(person: Path) -> dict[int | str, Path]:
    """Return a person's images by file name and by number; of two with one number, the one that `SUFFIXES` prefers."""
    try:
        paths = [path for path in person.iterdir() if path.suffix.lower() in IMAGES]
    except OSError:
        return {}
    numbers = [(number, path) for path in paths if (number := numbered(path)) is not None]
    numbers.sort(key=lambda found: (SUFFIXES.index(found[1].suffix.lower()), found[1].name), reverse=True)
    return {normal(path.name): path for path in paths} | dict(numbers)
