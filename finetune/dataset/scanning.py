"""The scan of a folder with one folder per person, which finds its people and their usable images."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief
from finetune.errors import DataError, Problem, bounded
from finetune.images import Records, inspect_images
from finetune.names import look_the_same
from finetune.path_list import PathList
from finetune.paths import entries, in_one_line, open_folder, printable

UNPLACED = "not in a person's folder"
"""Reason why a file beside the people's folders is left out."""

Inspect = Callable[[Sequence[Path]], Records]
"""A function that inspects files and returns the record of each, as `finetune.images.inspect_images` does."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(Brief):
    """Images with the identity of each.

    Attributes:
        root: scanned folder.
        class_names: names of the people, sorted; a label is an index into them.
        paths: image files, sorted within each person.
        labels: label of each path, int64 [n].
    """

    root: Path
    class_names: tuple[str, ...]
    paths: Sequence[Path]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, indices: npt.NDArray[np.int64]) -> Dataset:
        """Return the images at these indices, with the same class names."""
        return Dataset(self.root, self.class_names, PathList(self.paths).take(indices), self.labels[indices])

    def of_people(self, names: Collection[str]) -> Dataset:
        """Return only the images of these people, with new labels."""
        class_names = tuple(name for name in self.class_names if name in names)
        new = {self.class_names.index(name): label for label, name in enumerate(class_names)}
        rows = [row for row, label in enumerate(self.labels.tolist()) if label in new]
        labels = np.array([new[label] for label in self.labels[rows].tolist()], np.int64)
        return Dataset(self.root, class_names, PathList(self.paths).take(np.array(rows, np.int64)), labels)


@dataclass(frozen=True)
class Quarantined:
    """A file or folder that is kept out of training, and the reason. Its string is one printable line."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return str(self.problem)

    @property
    def problem(self) -> Problem:
        """The path and the reason as a problem."""
        return Problem(in_one_line(self.path), self.reason)


@dataclass(frozen=True, repr=False)
class Scan(Brief):
    """The result of a scan.

    Attributes:
        dataset: usable images.
        quarantined: unusable files and folders, with reasons.
        left_out: people with too few images.
        records: records of all files that were read.
    """

    dataset: Dataset
    quarantined: tuple[Quarantined, ...]
    left_out: tuple[str, ...]
    records: Records


@dataclass(frozen=True, repr=False)
class Layout(Brief):
    """The files of a folder with one folder per person, none of them opened yet.

    Attributes:
        root: folder that was listed.
        files: `{person: paths}`, both sorted.
        every: all these paths in order.
        misplaced: files and folders that can't be a person's images because of their place or name, with reasons.
    """

    root: Path
    files: Mapping[str, Sequence[Path]]
    every: PathList
    misplaced: tuple[Quarantined, ...]


def scan(
    root: str | os.PathLike[str],
    *,
    min_images_per_person: int = 1,
    crop: int | None = None,
    inspect: Inspect = inspect_images,
) -> Scan:
    """Read a folder that holds one folder of images per person.

    Every file is inspected once, so that no unreadable file reaches training. Symbolic links are followed. Names that
    begin with a dot, `Thumbs.db` and `desktop.ini` are ignored.

    Args:
        root: folder with one folder per person.
        min_images_per_person: people with fewer usable images are left out.
        crop: smallest image side in pixels; smaller images are quarantined.
        inspect: function that reads the files.

    Raises:
        DataError: the folder is missing, holds no folders of images, or holds one name in two Unicode forms; or fewer
            than two people remain.
    """
    found = layout(root)
    root, quarantined = found.root, list(found.misplaced)
    refuse_two_forms(found)
    usable = np.ones(len(found.every), bool)
    records = inspect(found.every)
    for place, path in enumerate(found.every):
        reason = records[path].unusable(crop)
        if reason is not None:
            usable[place] = False
            quarantined.append(Quarantined(path, reason))

    owners = np.repeat(np.arange(len(found.files)), [len(paths) for paths in found.files.values()])
    counts = np.bincount(owners[usable], minlength=len(found.files)).tolist()
    images = dict(zip(found.files, counts, strict=True))
    kept = {name: count for name, count in images.items() if count >= max(1, min_images_per_person)}
    if len(kept) < 2:
        example = f"the first of {len(quarantined)} not used is {quarantined[0]}" if quarantined else ""
        raise DataError(_too_few(images, list(kept), min_images_per_person).within(root, example))
    labels = np.repeat(np.arange(len(kept), dtype=np.int64), list(kept.values()))
    chosen = usable & np.array([name in kept for name in found.files], bool)[owners]
    dataset = Dataset(root, tuple(kept), found.every.take(chosen), labels)
    return Scan(dataset, tuple(quarantined), tuple(name for name in images if name not in kept), records)


def layout(root: str | os.PathLike[str]) -> Layout:
    """List the files of a folder that holds one folder per person, without decoding any.

    Raises:
        DataError: the folder is missing or can't be opened.
    """
    root = Path(os.path.expanduser(root))
    people, misplaced = _people(root)
    counts: list[int] = []
    every = PathList(_files(people, counts, misplaced))
    starts = [0, *itertools.accumulate(counts)]
    parts = (every[start:end] for start, end in itertools.pairwise(starts))
    files = {person.name: part for person, part in zip(people, parts, strict=True)}
    return Layout(root, files, every, tuple(misplaced))


def _files(people: Sequence[Path], counts: list[int], misplaced: list[Quarantined]) -> Iterator[Path]:
    """Yield the files of all people; add their number per person, and what can't be a person's image."""
    for person in people:
        counts.append(0)
        try:
            inside = entries(person)
        except OSError as error:
            misplaced.append(Quarantined(person, f"can't be opened ({error.strerror})"))
            continue
        for entry in inside:
            if os.path.isdir(entry):
                misplaced.append(Quarantined(entry, "a folder inside a person's folder; move its images up"))
            elif not printable(entry.name):
                misplaced.append(Quarantined(entry, "a name that can't be printed; rename the file"))
            else:
                counts[-1] += 1
                yield entry


def refuse_two_forms(found: Layout) -> None:
    """Refuse folders whose names differ only in their Unicode form, since they hardly mean two people.

    Raises:
        DataError: there are such folders; one line each.
    """
    problems = [
        Problem(
            found.root,
            f"{first!a} and {other!a} are one name in two Unicode forms, and would be two people",
            "put their images into one folder, or rename one",
        )
        for first, other in look_the_same(found.files)
    ]
    if problems:
        raise DataError(*bounded(problems, found.root, "were two copies of one folder put together?"))


def _people(root: Path) -> tuple[list[Path], list[Quarantined]]:
    """Return the people's folders, and the other entries of the folder."""
    people, others = [], []
    for entry in open_folder(root, "the folder that holds one folder of images per person"):
        if not os.path.isdir(entry):
            others.append(Quarantined(entry, UNPLACED))
        elif not printable(entry.name):
            others.append(Quarantined(entry, "a name that can't be printed; rename the folder"))
        else:
            people.append(entry)
    return people, others


def _too_few(images: dict[str, int], kept: list[str], minimum: int) -> Problem:
    """Return the problem of a folder with fewer than the two people that a classifier needs."""
    with_images = sum(map(bool, images.values()))
    if not images:
        return Problem("", "no folders in it", "put each person's images into a folder of their own")
    if not with_images:
        advice = "give one that holds one folder of images per person"
        return Problem("", "no usable image in any of its folders", advice)
    if len(kept) < with_images:
        found = f"{len(kept)} of {with_images} people with {minimum} images or more, and a classifier needs two"
        return Problem("", found, "lower min_images_per_person or add images")
    found = f"images of one person ({kept[0]}), and a classifier needs two"
    return Problem("", found, "add another person's folder")
