"""Folders of drawn faces: data for demonstrations and tests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from finetune import files
from finetune.images.drawn_face import Identity
from finetune.images.drawn_photo import draw_face
from finetune.progress import track


def write_faces(
    root: str | os.PathLike[str], *, people: Sequence[int] | int, images_per_person: int, size: int, seed: int
) -> None:
    """Draw a folder of people, named as in LFW: `person_001/person_001_0001.png`.

    A person and an image depend only on the seed and on their own numbers, not on what else is drawn.

    Args:
        root: folder that does not exist yet, or is empty.
        people: numbers of the people, from 1, or how many there are.
        images_per_person: number of images per person.
        size: side of the images, in pixels.
        seed: seed, from 0.

    Raises:
        DataError: `root` is in use.
        RunError: the folder can't be written.
    """
    numbers = range(1, people + 1) if isinstance(people, int) else people

    def fill(folder: Path) -> None:
        for number in track(numbers, len(numbers) * images_per_person, "drawing faces", images_per_person):
            _write_person(folder / f"person_{number:03d}", number, images_per_person, size, seed)

    files.write_folder(Path(os.path.expanduser(root)), fill)


def _write_person(folder: Path, number: int, images: int, size: int, seed: int) -> None:
    identity = Identity.draw(np.random.default_rng([seed, number]))
    folder.mkdir()
    for i in range(1, images + 1):
        image = draw_face(identity, size, np.random.default_rng([seed, number, i]))
        # Noise hardly compresses, and compression would take as long as drawing.
        image.save(folder / f"{folder.name}_{i:04d}.png", compress_level=0)
