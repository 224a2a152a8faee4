"""Training and test images of `finetune classify`: folders of people, a folder of images without names, or arrays."""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.cli.arguments import say_left_out
from finetune.cli.values import path
from finetune.dataset import Quarantined, layout
from finetune.errors import DataError, Problem
from finetune.images import Records, inspect_images
from finetune.paths import entries, in_one_line
from finetune.progress import say
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.dataset.importers import ImageArray
    from finetune.model import EmbeddingModel
    from finetune.recipe import Cache


class Images(NamedTuple):
    """Training images or test images.

    Attributes:
        images: image files, or an array of images.
        names: name of the person in each image, or None if unknown.
        records: records of the files.
        left_out: files that can't be used, with reasons.
    """

    images: list[Path] | ImageArray
    names: list[str] | None
    records: Records
    left_out: tuple[Quarantined, ...] = ()

    def take(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Images:
        """Return the images of some rows."""
        chosen = list(map(int, rows))
        images = [self.images[row] for row in chosen] if isinstance(self.images, list) else self.images.take(chosen)
        return Images(images, self.names and [self.names[row] for row in chosen], self.records, self.left_out)

    def of_frequent(self, least: int) -> Images:
        """Return the images of the people with at least this many.

        Raises:
            DataError: there are fewer than two such people.
        """
        names = self.names or []
        counts = Counter(names)
        kept = [name for name, count in counts.items() if count >= least]
        if len(kept) < 2:
            people, images = counted(len(counts), "person"), counted(least, "image")
            found = f"{len(kept)} of {people} have {images} or more; it takes two"
            raise DataError(Problem("", found, "lower --min-images, or add photos"))
        return self.take([row for row, name in enumerate(names) if counts[name] >= least])

    def embedded(self, model: EmbeddingModel, cache: Cache) -> npt.NDArray[np.float32]:
        """Return the embeddings, [n, E]."""
        from finetune.embedding import Embedder
        from finetune.gallery import embed_array

        if isinstance(self.images, list):
            return Embedder(model, cache, self.records).embeddings(self.images)
        return embed_array(model, self.images)


def read_arrays(options: argparse.Namespace) -> dict[str, Images]:
    """Return the images of those arguments that are arrays, by argument."""
    from finetune.dataset.importers import open_images, read_labels

    found = {}
    for text, labels in ((options.train, options.labels), (options.test, None)):
        if text is not None and text.endswith(".npy"):
            images = open_images(path(text), options.height, options.width)
            names = read_labels(path(labels), len(images)) if labels else None
            say(f"{text}: {counted(len(images), 'image')}, {images.how}, enlarged to the network's size")
            found[text] = Images(images, names, {})
    return found


def read_people(text: str, model: EmbeddingModel) -> tuple[dict[str, list[Path]], Images]:
    """Return a folder's usable images, `{person: paths}` and as one list; print the images left out."""
    found = layout(path(text))
    paths = [photo for photos in found.files.values() for photo in photos]
    records, reasons = _inspected(paths, model)
    left_out = tuple(Quarantined(photo, reason) for photo, reason in reasons.items())
    say_left_out([*found.misplaced, *left_out])
    people = {name: [photo for photo in photos if photo not in reasons] for name, photos in found.files.items()}
    people = {name: photos for name, photos in people.items() if photos}
    if not people:
        raise DataError(Problem(text, "no usable image in any folder", "give one folder of aligned faces per person"))
    return people, listed(people, records, left_out)


def listed(people: Mapping[str, Sequence[Path]], records: Records, left_out: tuple[Quarantined, ...] = ()) -> Images:
    """Return `{person: paths}` as one list."""
    pairs = [(photo, name) for name, photos in people.items() for photo in photos]
    return Images([photo for photo, _ in pairs], [name for _, name in pairs], records, left_out)


def read_test(text: str, model: EmbeddingModel) -> Images:
    """Return a folder's usable test images; without names if the images lie in the folder itself.

    Images without names are in the order of their names, with numbers in them by value: `9.png` before `10.png`.
    """
    folder = path(text)
    inside = entries(folder)
    if not inside or any(os.path.isdir(entry) for entry in inside):
        return read_people(text, model)[1]
    photos = sorted(inside, key=lambda photo: _by_number(photo.name))
    records, reasons = _inspected(photos, model)
    left_out = tuple(Quarantined(photo, reason) for photo, reason in reasons.items())
    say_left_out(left_out)
    usable = [photo for photo in photos if photo not in reasons]
    if not usable:
        raise DataError(Problem(text, "no usable image", "give aligned faces"))
    return Images(usable, None, records, left_out)


def refuse_gaps(text: str, test: Images) -> None:
    """Refuse test images for a submission if some are missing, because each later line would be another image's.

    Raises:
        DataError: images can't be used, or `finetune align` has left photos out of the folder.
    """
    from finetune.align import NAME, read_journal

    advice = "each later line of the submission would be another image's: "
    problems = [
        Problem(in_one_line(entry.path), entry.reason, advice + "mend or remove it") for entry in test.left_out[:1]
    ]
    folder = path(text)
    if (folder / NAME).is_file():
        settings, outcomes = read_journal(folder / NAME)
        lost = [
            photo
            for photo, outcome in outcomes.items()
            if outcome.failure and not (folder / photo).with_suffix(f".{settings.get('format')}").is_file()
        ]
        if lost:
            found = f"align left {len(lost)} of {counted(len(outcomes), 'photo')} out, such as {in_one_line(min(lost))}"
            problems.append(Problem(text, found, advice + "align them with --fallback whole"))
    if problems:
        raise DataError(*problems)


def _inspected(photos: Sequence[Path], model: EmbeddingModel) -> tuple[Records, dict[Path, str]]:
    """Return the records of some files, and the reasons why some can't be used."""
    records = inspect_images(photos)
    reasons = {photo: record.unusable(model.preprocessing.image_size) for photo, record in records.items()}
    return records, {photo: reason for photo, reason in reasons.items() if reason}


def _by_number(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts the numbers in names by value."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in parts]
