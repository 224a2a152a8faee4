"""Photos with their identities, from a list, a table or a folder: checked, then linked or copied."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from finetune.dataset import Quarantined
from finetune.dataset.importers.people import Image, Imported, name_folders, write_people
from finetune.errors import DataError, Problem, attempt, bounded
from finetune.files import refuse_used
from finetune.images import SUFFIXES
from finetune.paths import in_one_line, refuse_within
from finetune.progress import track


class Listed(NamedTuple):
    """A listed photo.

    Attributes:
        path: path of the photo, which may not exist.
        identity: person in the photo.
        where: place that lists the photo, such as `FILE:12`.
    """

    path: Path
    identity: str
    where: str


@dataclass(frozen=True)
class Listing:
    """The photos of a source, none of them opened yet.

    Attributes:
        source: file or folder that lists the photos.
        root: folder of the photos.
        photos: photos in the source's order.
        left_out: other files and folders, with reasons.
        problems: problems of the source.
        photos_folder: folder reserved for photos, in which nothing may be written; None if the source does not say.
    """

    source: Path
    root: Path
    photos: list[Listed]
    left_out: list[Quarantined] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    photos_folder: Path | None = None


def import_photos(listing: Listing, out: Path, *, copy: bool = False) -> Imported:
    """Make one folder per person with links to the photos, or with copies.

    No photo is decoded. A damaged photo is found only when it is read.

    Args:
        listing: photos to import.
        out: folder that does not exist yet, or is empty; not within the folder of the photos.
        copy: whether to copy the photos, for originals that will be removed.

    Raises:
        DataError: `out` is in use or lies among the photos, a line is malformed, a photo is missing or has two names,
            or two names share a folder; one line each.
        RunError: `out` can't be written.
    """
    problems: list[Problem] = []
    attempt(problems, lambda: refuse_used(out))
    photos_folder = listing.photos_folder
    if photos_folder is not None:
        attempt(problems, lambda: refuse_within(out, photos_folder))
    photos, left_out, unusable = _check(listing)
    folders, clashes = name_folders((photo.identity for photo in listing.photos), listing.source)
    problems += [*listing.problems, *clashes, *unusable]
    if not (listing.photos or problems):
        problems.append(Problem(listing.source, "names no photo", "is it the right one?"))
    if problems:
        raise DataError(*bounded(problems, listing.source, "is it the right one, for these photos?"))

    # A link to a link would break with the removal of the latter.
    images = [Image(photo.identity, os.path.realpath(photo.path), photo.path.suffix.lower()) for photo in photos]

    def place(index: int, target: Path) -> None:
        if copy:
            shutil.copyfile(images[index].source, target)
        else:
            target.symlink_to(images[index].source)

    return write_people(out, images, folders, place, [*listing.left_out, *left_out])


def _check(listing: Listing) -> tuple[list[Listed], list[Quarantined], list[Problem]]:
    """Return the photos to import, the photos listed twice, and a problem for each unusable photo."""
    seen: dict[tuple[int, int], Listed] = {}
    repeated: list[Quarantined] = []
    problems: list[Problem] = []
    missing = 0
    for photo in track(listing.photos, len(listing.photos), "looking for photos"):
        where = f"{photo.where}: {in_one_line(photo.path)}"
        try:
            status = os.stat(photo.path)
        except (OSError, ValueError) as error:
            missing += isinstance(error, FileNotFoundError)
            problems.append(Problem(where, str(getattr(error, "strerror", error)), "add it, or take it out"))
            continue
        first = seen.setdefault((status.st_dev, status.st_ino), photo)
        if not stat.S_ISREG(status.st_mode):
            problems.append(Problem(where, "not a file", "name a photo"))
        elif photo.path.suffix.lower() not in SUFFIXES:
            problems.append(Problem(where, f"not named as an image ({', '.join(SUFFIXES)})", "take it out"))
        elif not os.access(photo.path, os.R_OK):
            problems.append(Problem(where, "may not be read", "change its permissions"))
        elif first.identity != photo.identity:
            names = f"{first.identity!r} in {first.where} and {photo.identity!r} here"
            problems.append(Problem(where, f"is {names}", "keep one of them"))
        elif first is not photo:
            repeated.append(Quarantined(photo.path, "named twice, under one name"))
    if missing > 1 and missing == len(listing.photos):
        problems = [
            Problem(
                listing.root,
                f"has none of the {missing} photos that {listing.source} names, such as "
                f"{in_one_line(listing.photos[0].path)}",
                "give the folder that holds them",
            )
        ]
    return list(seen.values()), repeated, problems
