"""One folder per person, `NAME/NAME_0001.jpg` as LFW has it, made whole from any listing of images."""

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
"""Beside the people's folders; its name begins with a dot, so that it is passed over where people are looked for."""
LONGEST = 240
"""Bytes of a person's name: file systems allow 255, and `_0001.jpg` comes after it."""


class Image(NamedTuple):
    """An image as its source names it.

    Attributes:
        identity: whose it is.
        source: its path, or a row of an array: `X.npy[17]`.
        suffix: of the file it becomes, `.jpg`.
    """

    identity: str
    source: str
    suffix: str


@dataclass(frozen=True, repr=False)
class Imported(Brief):
    """What was made.

    Attributes:
        out: the folder.
        people: how many.
        images: theirs.
        left_out: what was found and not taken, with reasons.
    """

    out: Path
    people: int
    images: int
    left_out: tuple[Quarantined, ...] = ()

    @property
    def manifest(self) -> Path:
        """A CSV: each image within `out`, its source, and the name that the source gives."""
        return self.out / MANIFEST


def write_people(
    out: Path,
    images: Sequence[Image],
    folders: dict[str, str],
    place: Callable[[int, Path], object],
    left_out: Iterable[Quarantined] = (),
) -> Imported:
    """Makes the folder: images are numbered from 1 within each person, in the order in which they come.

    Args:
        out: a folder that does not exist yet, or is empty.
        folders: of each identity, from `name_folders`.
        place: puts the image of that index where it is told.

    Raises:
        DataError: `out` is in use.
        RunError: it can't be written.
    """
    numbers = dict.fromkeys(folders.values(), 0)

    def fill(folder: Path) -> None:
        for name in numbers:
            (folder / name).mkdir()
        with (folder / MANIFEST).open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            manifest = csv.writer(file, lineterminator="\n")
            manifest.writerow(["image", "source", "name"])
            for index, image in enumerate(track(images, len(images), "importing images")):
                name = folders[image.identity]
                numbers[name] += 1
                new = f"{name}/{name}_{numbers[name]:04d}{image.suffix}"
                place(index, folder / new)
                manifest.writerow(guarded([new, image.source, image.identity]))

    files.write_folder(out, fill)
    return Imported(out, len(numbers), len(images), tuple(left_out))


def name_folders(identities: Iterable[str], where: Path) -> tuple[dict[str, str], list[Problem]]:
    """Return the folder of each identity; and a problem for each that can have none of its own.

    Slashes and what can't be printed become `_`, and so do dots at the beginning; spaces stay. Names that
    differ in case or in the encoding of accents alone would share a folder on some file systems.

    Args:
        where: the file or folder that names them.
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
