"""Images of a gallery's photos that are still there, or can be cut again from photos that are still there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from finetune.align import Alignment, align, targets
from finetune.gallery.photos import Photos
from finetune.gallery.sources import State
from finetune.images import ImageRecord, Records, inspect_images


def find_images_of(
    photos: Photos, states: Iterable[State], others: Mapping[bytes, Path], size: int, place: Path
) -> dict[int, ImageRecord]:
    """Return the image of each photo that has one which can be used, by row.

    A photo has an image if its file is unchanged, or if one of the other files has its content. If the photo was
    cropped, its crop is cut again as `finetune enroll --align` cuts it.

    Args:
        photos: photos of a gallery.
        states: state of each photo's file, as `on_disk` returns it.
        others: other image files by their sha256, such as those of a folder that the user gives.
        size: side of the network's input, in pixels.
        place: folder for the crops, which must be valid until the images are embedded.
    """
    found: dict[int, Path] = {}
    cropped: dict[int, Path] = {}
    digests, originals = photos.hashes(), photos.originals
    for row, state in enumerate(states):
        if state == "there":
            file = Path(os.fsdecode(photos.paths[row]))
            (found if bytes(originals[row]) == digests[row] else cropped)[row] = file
        elif digests[row] in others:
            found[row] = others[digests[row]]
    found |= _cut_again(cropped, size, place)
    records = inspect_images(list(found.values()))
    return {row: records[file] for row, file in sorted(found.items()) if not records[file].unusable(size)}


def by_digest(records: Records) -> dict[bytes, Path]:
    """Return images by their sha256; of copies, the first."""
    found: dict[bytes, Path] = {}
    for file, record in records.items():
        found.setdefault(record.digest, file)
    return found


def _cut_again(photos: Mapping[int, Path], size: int, place: Path) -> dict[int, Path]:
    """Return the crop of each photo in which a face is found, by row."""
    if not photos:
        return {}
    links, alignment = place / "photos", Alignment(size=size)
    links.mkdir()
    for row, photo in photos.items():
        (links / f"{row}{photo.suffix}").symlink_to(photo.absolute())
    coverage = align(links, place / "crops", alignment)
    return {
        int(Path(outcome.photo).stem): place / "crops" / target
        for outcome in coverage.outcomes
        for target in targets(outcome, alignment)
    }
