"""The import of VGGFace2 and CASIA-WebFace, which are folders of people with their own naming."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from finetune.dataset import Quarantined
from finetune.dataset.importers.listing import Listed, Listing
from finetune.errors import DataError, Problem
from finetune.images import SUFFIXES
from finetune.paths import open_folder

PARTS = ("train", "test")
"""Folders above the people in VGGFace2's archives."""


class DatasetLayout(NamedTuple):
    """The naming of people and photos in a dataset.

    Attributes:
        title: name of the dataset.
        person: pattern of a person's folder.
        photo: pattern of a photo without its suffix.
        example: example of a photo's path.
    """

    title: str
    person: re.Pattern[str]
    photo: re.Pattern[str]
    example: str


VGGFACE2 = DatasetLayout("VGGFace2", re.compile(r"n\d{6}"), re.compile(r"\d{4}_\d{2}"), "n000001/0001_01.jpg")
"""VGGFace2 (Cao et al. 2018); `0001_01` is photo 0001 and face 01 in it."""
CASIA = DatasetLayout("CASIA-WebFace", re.compile(r"\d{7}"), re.compile(r"\d{3,}"), "0000045/001.jpg")
"""CASIA-WebFace (Yi et al. 2014)."""


def read_layout(root: Path, layout: DatasetLayout) -> Listing:
    """List the photos of a dataset in its published layout, with or without the folders `train` and `test`.

    Raises:
        DataError: the folder can't be read, or holds no person of this layout.
    """
    what = f"the folder that holds {layout.title}'s people, as {layout.example}"
    inside = open_folder(root, what)
    levels = [entry for entry in inside if entry.name in PARTS and os.path.isdir(entry)]
    inside = [entry for entry in inside if entry not in levels]
    for level in levels:
        inside += open_folder(level, what)
    people, left_out = [], []
    for entry in inside:
        if layout.person.fullmatch(entry.name) and os.path.isdir(entry):
            people.append(entry)
        else:
            left_out.append(Quarantined(entry, "not named as its people are"))
    if not people:
        below = [entry.name for entry in inside if os.path.isdir(entry)]
        others = f"; found the folders {', '.join(below[:3])}" + (", …" if len(below) > 3 else "") if below else ""
        raise DataError(Problem(root, "no folder named as its people are", f"give {what}{others}"))
    photos = []
    for person in people:
        for path in open_folder(person, what):
            if layout.photo.fullmatch(path.stem) and path.suffix.lower() in SUFFIXES:
                photos.append(Listed(path, person.name, str(path.parent)))
            else:
                left_out.append(Quarantined(path, "not named as its photos are"))
    return Listing(root, root, photos, left_out, photos_folder=root)
