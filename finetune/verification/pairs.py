"""Pairs of images, as a pairs file names them and as they are found in a folder."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.errors import DataError, Problem
from finetune.images import SUFFIXES as IMAGES
from finetune.names import normal, spelling
from finetune.paths import entries

DEFAULT_FOLDS = 10
SUFFIXES = (".jpg", ".jpeg", ".png")
"""Suffixes of a numbered image, the preferred one first."""
NUMBER = re.compile(r"[0-9]{1,9}")


class Pair(NamedTuple):
    """Pair of images, `NAME/NAME_0001` or a path within the folder of images, and whether they are of one person."""

    first: str
    second: str
    is_same: bool


@dataclasses.dataclass(frozen=True, repr=False)
class PairsFile(Brief):
    """Pairs file as written.

    Attributes:
        pairs: pairs in the order of the file.
        n_folds: number of folds, 10 if the file does not say it.
        notes: remarks on a result with these pairs, one sentence each.
        folds: number of each pair's fold, from 0; None for consecutive folds.
        open_folds: True if the file says nothing about folds. Pairs of few people then have none.
        folder: folder of the images, if they come with the file; None if they are in a folder of the user's.
        people: person of each image that is not in a folder of the person's name, empty if nobody knows; None if all
            images are in such folders.
    """

    pairs: tuple[Pair, ...]
    n_folds: int
    notes: tuple[str, ...] = ()
    folds: tuple[int, ...] | None = None
    open_folds: bool = False
    folder: Path | None = None
    people: Mapping[str, str] | None = None


@dataclasses.dataclass(frozen=True, repr=False)
class ImagePairs(Brief):
    """Pairs whose images exist.

    Attributes:
        paths: images, each once, in the order in which the pairs first name them.
        index1: index in `paths` of each pair's first image, int [n].
        index2: index in `paths` of each pair's second image, int [n].
        is_same: True for each pair of one person, bool [n].
        n_folds: number of folds of the cross-validation; 1 if there are too few people for folds.
        missing: images that are named but missing, as `NAME/NAME_0001`.
        n_skipped: number of pairs that were left out because of them.
        notes: remarks on a result with these pairs, one sentence each.
        unaligned: the sentence among `notes` that the images look unaligned. Empty if they do not, or if this was not
            checked.
        sample_of: number of pairs that these are a sample of; None for all pairs.
        folds: number of each pair's fold, int [n], from 0; None for consecutive folds.
        people: person of each of `paths`, empty if nobody knows; None if they are in folders of the people's names.
        names: name of each of `paths` in the pairs file, if `people` is given.
        unpacked: True if the images came with the pairs file, in the size that they have there.
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
    folds: npt.NDArray[np.intp] | None = None
    people: tuple[str, ...] | None = None
    names: tuple[str, ...] = ()
    unpacked: bool = False

    @property
    def identities(self) -> tuple[str, ...]:
        """Person of each of `paths`: the name of its folder, unless `people` says it. Empty if nobody knows."""
        return self.people if self.people is not None else tuple(path.parent.name for path in self.paths)

    @property
    def sha256(self) -> str:
        """Digest of the pairs by the names of their images, in whatever folder the images are."""
        named = list(self.names) or [
            path.stem if numbered(path) is not None else f"{path.parent.name}/{path.name}" for path in self.paths
        ]
        lines = (f"{named[i]}\t{named[j]}\n" for i, j in zip(self.index1, self.index2, strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def only(self, keep: npt.NDArray[np.bool_]) -> ImagePairs:
        """Return some of the pairs, with the images of all pairs; `keep` is bool [n]."""
        index1, index2 = self.index1[keep], self.index2[keep]
        folds = None if self.folds is None else self.folds[keep]
        return dataclasses.replace(self, index1=index1, index2=index2, is_same=self.is_same[keep], folds=folds)


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
    A file that does not exist as named is looked up with another suffix, because alignment writes PNG.

    Args:
        pairs_file: result of `read_pairs`.
        lfw_dir: folder with one folder per person. It is not read if the images came with the pairs file.
        missing: `error` to refuse missing images, `skip` to leave their pairs out and count them.

    Raises:
        DataError: `lfw_dir` is not a folder, images are missing, or no pair is left.
    """
    folder = pairs_file.folder or Path(os.path.expanduser(lfw_dir))
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
    rows = [row for row, pair in enumerate(pairs_file.pairs) if pair.first in order and pair.second in order]
    people = pairs_file.people
    found_pairs = ImagePairs(
        paths=tuple(found[name] for name in order),
        index1=np.array([order[pair.first] for pair in kept], dtype=np.intp),
        index2=np.array([order[pair.second] for pair in kept], dtype=np.intp),
        is_same=np.array([pair.is_same for pair in kept], dtype=bool),
        n_folds=pairs_file.n_folds,
        missing=absent,
        n_skipped=n_skipped,
        notes=pairs_file.notes + (skipped if n_skipped else ()),
        folds=None if pairs_file.folds is None else np.array([pairs_file.folds[row] for row in rows], dtype=np.intp),
        people=None if people is None else tuple(people[name] for name in order),
        names=() if people is None else tuple(order),
        unpacked=pairs_file.folder is not None,
    )
    few = pairs_file.open_folds and _too_few_for_folds(found_pairs)
    return dataclasses.replace(found_pairs, n_folds=1) if few else found_pairs


def _too_few_for_folds(pairs: ImagePairs) -> bool:
    """Return whether there are too few pairs for the folds, or too few people for folds of two people each."""
    n_same = int(np.count_nonzero(pairs.is_same))
    people = set(pairs.identities)
    return min(n_same, len(pairs.is_same) - n_same) < pairs.n_folds or (
        "" not in people and len(people) < 2 * pairs.n_folds
    )


def _find(wanted: Iterable[str], folder: Path) -> dict[str, Path]:
    """Find the named images, `{name in the pairs: path}`."""
    spellings: dict[str, list[Path]] = {}
    for path in entries(folder):
        spellings.setdefault(spelling(path.name), []).append(path)
    found: dict[str, Path] = {}
    folders: dict[str, _Images] = {}
    for image in wanted:
        person, _, name = image.rpartition("/")
        if person not in folders:
            place, others = folder / person, spellings.get(spelling(person), [])
            folders[person] = _images(others[0] if len(others) == 1 and not place.is_dir() else place)
        there = folders[person].find(normal(name), number_of(image))
        if there is not None:
            found[image] = there
    return found


class _Images(NamedTuple):
    """Images of a folder: by name, by number, and by the name without its suffix if no two have that."""

    by_name: dict[str, Path]
    by_number: dict[int, Path]
    by_stem: dict[str, Path]

    def find(self, name: str, number: int | None) -> Path | None:
        """Return the image with a number if there is one, else the one with a name."""
        if number is not None:
            return self.by_number.get(number)
        named = name.lower().endswith(IMAGES)
        return self.by_name.get(name) or self.by_stem.get(name.rpartition(".")[0] if named else name)


def _images(folder: Path) -> _Images:
    """List the images of a folder. Of two with one number, the one that `SUFFIXES` prefers is taken."""
    try:
        paths = [path for path in folder.iterdir() if path.suffix.lower() in IMAGES]
    except OSError:
        return _Images({}, {}, {})
    numbers = [(number, path) for path in paths if (number := numbered(path)) is not None]
    numbers.sort(key=lambda found: (SUFFIXES.index(found[1].suffix.lower()), found[1].name), reverse=True)
    stems = [normal(path.stem) for path in paths]
    of_one = {stem for stem, count in Counter(stems).items() if count == 1}
    by_stem = {stem: path for stem, path in zip(stems, paths, strict=True) if stem in of_one}
    return _Images({normal(path.name): path for path in paths}, dict(numbers), by_stem)
