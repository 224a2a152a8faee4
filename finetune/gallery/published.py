"""The protocol of FaceNet's `classifier.py`: photos parted by seed, a classifier trained on some, tested on others."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.metrics import f1_score

from finetune import files
from finetune.arrays import Floats, Labels
from finetune.brief import Brief
from finetune.cells import csv_text
from finetune.errors import DataError, Problem
from finetune.gallery.classifiers import Name, make
from finetune.names import same_identities

if TYPE_CHECKING:
    from finetune.dataset.importers import ImageArray
    from finetune.model import Model

CHUNK = 1024
"""Images of an array that are in memory at a time."""
MIN_IMAGES, TRAIN_IMAGES, SEED = 20, 10, 666


@dataclasses.dataclass(frozen=True, repr=False)
class DatasetSplit(Brief):
    """Photos to train on and to test on, `{person: paths}` each."""

    train: Mapping[str, Sequence[Path]]
    test: Mapping[str, Sequence[Path]]


def split_dataset(
    people: Mapping[str, Sequence[Path]],
    min_images: int = MIN_IMAGES,
    train_images: int = TRAIN_IMAGES,
    seed: int = SEED,
) -> DatasetSplit:
    """Parts the photos of everybody who has enough of them, as the published script does.

    The people in order of name, each one's photos, in order of name, are shuffled by NumPy's legacy generator of this
    seed; the first are to train on, the rest to test on. (The published script takes them in the file system's order.)

    Args:
        min_images: of a person; who has fewer is left out.
        train_images: of each person.

    Raises:
        DataError: fewer than two people have so many.
    """
    generator = np.random.RandomState(seed)
    train: dict[str, list[Path]] = {}
    test: dict[str, list[Path]] = {}
    for name in sorted(people):
        photos = sorted(people[name])
        if len(photos) >= max(min_images, train_images + 1):
            order = np.arange(len(photos))
            generator.shuffle(order)
            shuffled = [photos[place] for place in order]
            train[name], test[name] = shuffled[:train_images], shuffled[train_images:]
    if len(train) < 2:
        raise DataError(
            Problem(
                "",
                f"{len(train)} of {len(people)} people have {max(min_images, train_images + 1)} photos or more; "
                "it takes two",
                "lower --min-images and --train-images, or add photos",
            )
        )
    return DatasetSplit(train, test)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Classified(Brief):
    """What a classifier says of the test photos.

    Attributes:
        predictions: int64 [m], a label each.
        accuracy: share of them that are right; None where nobody knows.
        macro_f1: mean over people of the F-score; likewise.
    """

    predictions: Labels
    accuracy: float | None = None
    macro_f1: float | None = None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class People(Brief):
    """Whose the images on both sides are.

    Attributes:
        names: of the people who are trained on, sorted; a label is an index into them.
        train: int64 [n], of the images to train on.
        test: int64 [m], of those to test on, len(names) for anybody else; None where nobody knows.
        others: how many of these are anybody else's.
    """

    names: tuple[str, ...]
    train: Labels
    test: Labels | None
    others: int

    @classmethod
    def of(cls, train: Sequence[str], test: Sequence[str] | None) -> People:
        """From a name an image."""
        names = tuple(sorted(set(train)))
        order = {name: label for label, name in enumerate(names)}
        labels = np.array([order[name] for name in train], np.int64)
        if test is None:
            return cls(names, labels, None, 0)
        known = same_identities(names, test)
        tested = np.array([order[known[name]] if name in known else len(names) for name in test], np.int64)
        return cls(names, labels, tested, int((tested == len(names)).sum()))


def embed_array(model: Model, images: ImageArray) -> npt.NDArray[np.float32]:
    """Embeddings [n, E] of the images of an array, each scaled to the network's input, its aspect not kept."""
    size = model.preprocessing.image_size
    rows = [np.empty([0, model.embedding_size], np.float32)]
    for start in range(0, len(images), CHUNK):
        pixels = [
            np.asarray(images.image(index).convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
            for index in range(start, min(start + CHUNK, len(images)))
        ]
        rows.append(model.embed(np.stack(pixels)))
    return np.concatenate(rows)


def classify(
    name: Name, train: Floats, train_labels: Labels, test: Floats, test_labels: Labels | None = None, seed: int = SEED
) -> Classified:
    """Trains a classifier on embeddings [n, E] and names others [m, E], each as somebody.

    Raises:
        DataError: the classifier can't tell so many people apart.
    """
    classifier = make(name, len(np.unique(train_labels)), seed)
    classifier.fit(train, train_labels)
    predictions = classifier.best(test).labels[:, 0]
    if test_labels is None:
        return Classified(predictions)
    accuracy = float(np.mean(predictions == test_labels))
    return Classified(
        predictions, accuracy, float(f1_score(test_labels, predictions, average="macro", zero_division=0))
    )


def write_submission(path: Path, predictions: Labels, names: Sequence[str]) -> None:
    """Writes `ImageId,PredictedClass`, a line a test photo from 0 on, as Kaggle's contest of LFW's faces took it.

    Raises:
        RunError: it can't be written.
    """
    rows = [(number, names[label]) for number, label in enumerate(predictions.tolist())]
    files.write_text(path, csv_text([("ImageId", "PredictedClass"), *rows]))
