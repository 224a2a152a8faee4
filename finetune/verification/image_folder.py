"""Images of a folder of people, from which pairs are drawn. No image is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from finetune.dataset import Quarantined, layout
from finetune.errors import DataError, Problem
from finetune.images import SUFFIXES
from finetune.names import spelled_alike
from finetune.verification.pairs import image_name, numbered

Images = Mapping[str, Sequence[int | str]]
"""Images of each person: numbers if they are named like LFW's, else names of files."""


class ImageFolder(NamedTuple):
    """Images of a folder.

    Attributes:
        images: images of each person, in order.
        files: path of each image within the folder, by its name in LFW's form.
        left_out: files and folders that can't be used, with reasons.
    """

    images: Images
    files: Mapping[str, str]
    left_out: Sequence[Quarantined]


def list_images(root: Path) -> ImageFolder:
    """List the images of each person.

    Raises:
        DataError: there is no such folder, or no image in it.
    """
    found = layout(root)
    left_out = list(found.misplaced)
    again = {name: first for first, name in spelled_alike(found.files)}
    images: dict[str, list[int | str]] = {}
    files: dict[str, str] = {}
    for name, paths in found.files.items():
        stems: set[str] = set()  # one image in two formats counts once
        for path in paths:
            if path.suffix.lower() not in SUFFIXES:
                left_out.append(Quarantined(path, f"not named as an image ({', '.join(SUFFIXES)})"))
            elif name != name.strip() or path.name != path.name.strip():
                left_out.append(Quarantined(path, "a name that begins or ends with a space, which no pairs file holds"))
            elif name in again:
                reason = f"of {again[name]!a} by name, so that nobody can say if they are two people; rename one"
                left_out.append(Quarantined(path, reason))
            elif path.stem not in stems:
                stems.add(path.stem)
                number = numbered(path)
                image = path.name if number is None else number
                images.setdefault(name, []).append(image)
                files[image_name(name, image)] = f"{name}/{path.name}"
    if not images:
        nobody = Problem(root, "no image in a person's folder", "give one folder of images per person")
        raise DataError(nobody.within(advice=example(left_out)))
    return ImageFolder({name: sorted(found, key=_order) for name, found in images.items()}, files, left_out)


def example(left_out: Sequence[Quarantined]) -> str:
    """Return a hint at the first file that was left out; empty if there is none."""
    return f"the first of {len(left_out)} left out is {left_out[0]}" if left_out else ""


def _order(image: int | str) -> tuple[int, str]:
    return (image, "") if isinstance(image, int) else (10**9, image)
