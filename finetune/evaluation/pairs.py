"""Pairs files in LFW's form, and the images that they name."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.errors import DataError, bounded
from finetune.files import read_text
from finetune.folders import excerpt

DEFAULT_FOLDS = 10
SUFFIXES = (".jpg", ".jpeg", ".png")
FORM = "a pairs file in LFW's form"
NUMBER = re.compile(r"[0-9]{1,9}")


class Pair(NamedTuple):
    """Two images as `NAME/NAME_0001`, and whether they are of one person."""

    first: str
    second: str
    is_same: bool


@dataclasses.dataclass(frozen=True)
class PairsFile:
    """A pairs file as written.

    Attributes:
        pairs: in file order.
        n_folds: as the header says, or 10.
        notes: what to say beside a result on these pairs, a sentence each.
    """

    pairs: tuple[Pair, ...]
    n_folds: int
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ImagePairs:
    """Pairs whose images are there.

    Attributes:
        paths: the images, each once, in the order in which the pairs first name them.
        index1: int [n], where in `paths` the first image of each pair is.
        index2: int [n], likewise the second.
        is_same: bool [n], whether the pair is of one person.
        n_folds: folds of the cross-validation.
        missing: images named and not found, as `NAME/NAME_0001`.
        n_skipped: pairs left out for them.
        notes: what to say beside a result on these pairs, a sentence each.
    """

    paths: tuple[Path, ...]
    index1: npt.NDArray[np.intp]
    index2: npt.NDArray[np.intp]
    is_same: npt.NDArray[np.bool_]
    n_folds: int
    missing: tuple[str, ...] = ()
    n_skipped: int = 0
    notes: tuple[str, ...] = ()

    @property
    def identities(self) -> tuple[str, ...]:
        """Who is in each of `paths`: the name of its folder."""
        return tuple(path.parent.name for path in self.paths)

    @property
    def sha256(self) -> str:
        """Digest of the pairs by their images' names, wherever the images lie."""
        stems = [path.stem for path in self.paths]
        lines = (f"{stems[i]}\t{stems[j]}\n" for i, j in zip(self.index1, self.index2, strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_pairs(path: str | Path) -> PairsFile:
    """Reads a pairs file in LFW's form.

    A line is `NAME n1 n2` for two images of one person or `NAME1 n1 NAME2 n2` for two people,
    separated by tabs where it has any (a name may then hold spaces), else by white space. The first
    line may be a header: folds and pairs of each kind in a fold, or pairs of each kind alone.
    Without a number of folds, or with one fold, there are 10, as in the published evaluation.

    Raises:
        DataError: the file can't be read, or holds malformed lines: one line for each.
    """
    path = Path(os.path.expanduser(path))
    lines = [
        (number, line.strip()) for number, line in enumerate(read_text(path, FORM).splitlines(), 1) if line.strip()
    ]
    header = _header(lines[0][1]) if lines else None
    pairs: list[Pair] = []
    problems: list[str] = []
    for number, line in lines[header is not None :]:
        try:
            pairs.append(_pair(line))
        except ValueError as error:
            problems.append(f"{path}:{number}: {error}")
    if header is not None and header[0] == 0:
        problems.insert(0, f"{path}:{lines[0][0]}: the header asks for 0 folds; write 10, as LFW does")
    if not pairs and not problems:
        problems.append(f"{path}: found no pairs; give {FORM}")
    if problems:
        raise DataError(*bounded(problems, str(path), "is it a pairs file?"))
    if header is None:
        return PairsFile(tuple(pairs), DEFAULT_FOLDS)
    n_folds, promised = header
    notes = (f"the header of {path.name} promises {promised} pairs, it holds {len(pairs)}",)
    return PairsFile(tuple(pairs), n_folds if n_folds > 1 else DEFAULT_FOLDS, notes if promised != len(pairs) else ())


def image_name(person: str, number: int | str) -> str:
    """`NAME/NAME_0001`, as pairs files mean it."""
    return f"{person}/{person}_{int(number):04d}"


def resolve(pairs_file: PairsFile, lfw_dir: str | Path, missing: Literal["error", "skip"] = "error") -> ImagePairs:
    """Finds the images of the pairs: `NAME/NAME_0001` with `.jpg`, `.jpeg` or `.png` in any case.

    Args:
        pairs_file: what `read_pairs` gave.
        lfw_dir: the folder with one folder for each person.
        missing: `error` to refuse missing images, `skip` to leave their pairs out and count them.

    Raises:
        DataError: `lfw_dir` is no folder, images are missing, or no pair is left.
    """
    folder = Path(os.path.expanduser(lfw_dir))
    if not folder.is_dir():
        raise DataError(f"{folder}: found no folder; give the one that holds LFW's aligned faces, a folder a person")
    wanted = dict.fromkeys(name for pair in pairs_file.pairs for name in (pair.first, pair.second))
    people = {name.rpartition("/")[0] for name in wanted}
    found = {name: path for person in people for name, path in _images(folder, person).items()}
    absent = tuple(name for name in wanted if name not in found)
    kept = [pair for pair in pairs_file.pairs if pair.first in found and pair.second in found]
    if absent and (missing == "error" or not kept):
        shown = ", ".join(absent[:3]) + (", …" if len(absent) > 3 else "")
        what = "add them, or skip their pairs with missing: skip" if kept else "is it the folder of aligned faces?"
        raise DataError(f"{folder}: missing {len(absent)} of the {len(wanted)} images in the pairs: {shown}; {what}")
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
    """The number of folds (1 where unsaid) and of pairs in all, where the line is a header."""
    fields = line.split()
    if len(fields) > 2 or not all(NUMBER.fullmatch(field) for field in fields):
        return None
    n_folds, per_fold = (1, int(fields[0])) if len(fields) == 1 else (int(fields[0]), int(fields[1]))
    return n_folds, 2 * n_folds * per_fold


def _pair(line: str) -> Pair:
    match [field.strip() for field in line.split("\t")] if "\t" in line else line.split():
        case [name, n1, n2] if NUMBER.fullmatch(n1) and NUMBER.fullmatch(n2):
            return Pair(image_name(name, n1), image_name(name, n2), True)
        case [name1, n1, name2, n2] if NUMBER.fullmatch(n1) and NUMBER.fullmatch(n2):
            if name1 == name2:
                raise ValueError(f"names {name1!r} twice; write {name1} {n1} {n2} for a pair of one person")
            return Pair(image_name(name1, n1), image_name(name2, n2), False)
    raise ValueError(f"found {excerpt(line)}; write NAME n1 n2 for one person, NAME1 n1 NAME2 n2 for two")


def _images(folder: Path, person: str) -> dict[str, Path]:
    """The person's images by `NAME/NAME_0001`; of two that differ in the suffix, as `SUFFIXES` prefers."""
    try:
        paths = [path for path in (folder / person).iterdir() if path.suffix.lower() in SUFFIXES]
    except OSError:
        return {}
    paths.sort(key=lambda path: (SUFFIXES.index(path.suffix.lower()), path.name), reverse=True)
    return {f"{person}/{path.stem}": path for path in paths}
