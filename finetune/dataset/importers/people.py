"""The writing of one folder per person, with `NAME/NAME_0001.jpg` as in LFW, from any list of images.

Images without names are written into one folder, numbered from 0.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from finetune import files
from finetune.brief import Brief
from finetune.cells import guarded
from finetune.dataset import Quarantined
from finetune.errors import Problem
from finetune.names import normal
from finetune.paths import printable
from finetune.progress import track

MANIFEST = ".manifest.csv"
"""Name of the manifest beside the people's folders. Its leading dot hides it from the search for people."""
LONGEST = 240
"""Largest length of a person's name in bytes: file systems allow 255, and `_0001.jpg` follows it."""


class Image(NamedTuple):
    """An image to import.

    Attributes:
        identity: person in the image, as the source names them; empty if unknown.
        source: path, or row of an array such as `X.npy[17]`.
        suffix: suffix of the new file, such as `.jpg`.
    """

    identity: str
    source: str
    suffix: str


@dataclass(frozen=True, repr=False)
class Imported(Brief):
    """The result of an import.

    Attributes:
        out: new folder.
        people: number of people; 0 if the images have no names.
        images: number of images.
        left_out: files and folders that were not imported, with reasons.
    """

    out: Path
    people: int
    images: int
    left_out: tuple[Quarantined, ...] = ()

    @property
    def manifest(self) -> Path:
        """The CSV file that lists each image within `out`, its source, and its name in the source."""
        return self.out / MANIFEST


def write_people(
    out: Path,
    images: Sequence[Image],
    folders: dict[str, str],
    place: Callable[[int, Path], object],
    left_out: Iterable[Quarantined] = (),
) -> Imported:
    """Write the folder. Images are numbered from 1 within each person, in the given order.

    Args:
        out: folder that does not exist yet, or is empty.
        images: images to import.
        folders: folder name of each identity, from `name_folders`.
        place: function that writes the image with an index to a path.
        left_out: files and folders that are not imported, with reasons.

    Raises:
        DataError: `out` is in use.
        RunError: `out` can't be written.
    """
    numbers = dict.fromkeys(folders.values(), 0)
    targets = []
    for image in images:
        name = folders[image.identity]
        numbers[name] += 1
        targets.append(f"{name}/{name}_{numbers[name]:04d}{image.suffix}")
    _write(out, images, targets, place)
    return Imported(out, len(numbers), len(images), tuple(left_out))


def write_numbered(out: Path, images: Sequence[Image], place: Callable[[int, Path], object]) -> Imported:
    """Write images without names into one folder, as `0000.png`, …; the order of the names is that of the images.

    Args:
        out: folder that does not exist yet, or is empty.
        images: images to import.
        place: function that writes the image with an index to a path.

    Raises:
        DataError: `out` is in use.
        RunError: `out` can't be written.
    """
    digits = max(4, len(str(len(images) - 1)))
    targets = [f"{index:0{digits}d}{image.suffix}" for index, image in enumerate(images)]
    _write(out, images, targets, place)
    return Imported(out, 0, len(images))


def _write(out: Path, images: Sequence[Image], targets: Sequence[str], place: Callable[[int, Path], object]) -> None:
    """Write each image to its place below the folder, and the manifest."""

    def fill(folder: Path) -> None:
        with (folder / MANIFEST).open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            manifest = csv.writer(file, lineterminator="\n")
            manifest.writerow(["image", "source", "name"])
            for index, image in enumerate(track(images, len(images), "importing images")):
                new = folder / targets[index]
                new.parent.mkdir(exist_ok=True)
                place(index, new)
                manifest.writerow(guarded([targets[index], image.source, image.identity]))

    files.write_folder(out, fill)


def name_folders(identities: Iterable[str], where: Path) -> tuple[dict[str, str], list[Problem]]:
    """Return the folder name of each identity, and a problem for each that can't have its own folder.

    Slashes, unprintable characters and leading dots become `_`; inner spaces stay. Names that differ only in case or in
    the encoding of accents would share a folder on some file systems.

    Args:
        identities: names of the people.
        where: file or folder that lists the identities.
    """
    folders: dict[str, str] = {}
    problems: list[Problem] = []
    owners: dict[str, str] = {}
    for identity in dict.fromkeys(identities):
        name = _folder_name(identity)
        owner = owners.setdefault(normal(name).casefold(), identity)
        if not name:
            problems.append(Problem(where, "an image has an empty name", "give each image a name"))
        elif len(os.fsencode(name)) > LONGEST:
            problems.append(Problem(where, f"the name {identity[:40]!r}… is longer than {LONGEST} bytes", "shorten it"))
        elif owner != identity:
            problems.append(
                Problem(
                    where,
                    f"{owner!r} and {identity!r} would share a folder, or do on file systems without case",
                    "rename one, or give both one name",
                )
            )
        folders[identity] = name
    return folders, problems


def _folder_name(identity: str) -> str:
    name = "".join("_" if character in "/\\" or not printable(character) else character for character in identity)
    return re.sub(r"^\.+", lambda dots: "_" * len(dots[0]), name.strip())
