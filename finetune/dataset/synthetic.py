"""Folders of drawn faces, and pairs files over them: data for a demonstration or a test, anywhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from finetune import files
from finetune.dataset.face import Identity
from finetune.dataset.photo import draw_face
from finetune.errors import DataError, RunError
from finetune.folders import find_images
from finetune.progress import track


def write_faces(
    root: str | os.PathLike[str], *, people: Sequence[int] | int, images_per_person: int, size: int, seed: int
) -> None:
    """Draws a folder of people, named as LFW's are: `person_001/person_001_0001.png`.

    A person looks the same whoever else is drawn, and an image whatever others are: both depend on
    the seed and on their own numbers alone.

    Args:
        root: a folder that does not exist yet, or is empty.
        people: their numbers, from 1; or how many.
        size: side of the images, in pixels.
        seed: 0 or more.

    Raises:
        DataError: `root` is in use.
        RunError: it can't be written.
    """
    root = Path(root).expanduser()
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DataError(f"{root}: already there and not an empty folder; give another folder for the faces")
    numbers = range(1, people + 1) if isinstance(people, int) else people
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root.parent, prefix=f".{root.name}.") as temporary:
            folder = Path(temporary) / "faces"
            folder.mkdir()
            for number in track(numbers, len(numbers) * images_per_person, "drawing faces", images_per_person):
                _write_person(folder / f"person_{number:03d}", number, images_per_person, size, seed)
            os.replace(folder, root)
    except OSError as error:
        raise RunError(f"{root}: can't be written ({error.strerror or error}); nothing was left there") from error


def write_pairs(
    path: str | os.PathLike[str], root: str | os.PathLike[str], *, folds: int, pairs_per_fold: int, seed: int
) -> None:
    """Draws pairs from a folder of people and writes them as LFW's `pairs.txt` is written.

    The header is `folds<TAB>pairs_per_fold`; then, for each fold, that many pairs of one person
    (`name<TAB>1<TAB>4`) and as many of two (`name<TAB>1<TAB>name<TAB>4`). No pair comes twice.
    Unlike LFW's, the folds share people.

    Args:
        root: images named `NAME/NAME_0001.png`, as by `write_faces`; a few thousand at most, for
            every pair there is gets listed.

    Raises:
        DataError: the images do not make so many pairs.
        RunError: the file can't be written.
    """
    path, root = Path(path).expanduser(), Path(root).expanduser()
    images = [(image.parent.name, int(image.stem.rpartition("_")[2])) for image in find_images(root)]
    person = np.unique([name for name, _ in images], return_inverse=True)[1]
    first, second = np.triu_indices(len(images), k=1)
    generator = np.random.default_rng(seed)
    kinds = []
    for same, what in ((True, "one person"), (False, "two people")):
        pairs = np.flatnonzero((person[first] == person[second]) == same)
        needed = folds * pairs_per_fold
        if len(pairs) < needed:
            raise DataError(f"{root}: {len(pairs)} pairs of {what}, {needed} needed; ask for fewer pairs or add images")
        chosen = generator.choice(pairs, needed, replace=False)
        kinds.append([_pair(*images[first[pair]], *images[second[pair]]) for pair in chosen])

    lines = [f"{folds}\t{pairs_per_fold}"]
    for start in range(0, folds * pairs_per_fold, pairs_per_fold):
        for kind in kinds:
            lines += kind[start : start + pairs_per_fold]
    files.write_text(path, "\n".join(lines) + "\n")


def _write_person(folder: Path, number: int, images: int, size: int, seed: int) -> None:
    identity = Identity.draw(np.random.default_rng([seed, number]))
    folder.mkdir()
    for i in range(1, images + 1):
        image = draw_face(identity, size, np.random.default_rng([seed, number, i]))
        # Noise hardly compresses, and trying to would take as long as drawing.
        image.save(folder / f"{folder.name}_{i:04d}.png", compress_level=0)


def _pair(name1: str, number1: int, name2: str, number2: int) -> str:
    if name1 == name2:
        return f"{name1}\t{number1}\t{number2}"
    return f"{name1}\t{number1}\t{name2}\t{number2}"
