"""Protocol of FaceNet's `classifier.py`: photos are split by seed, to train a classifier and to test it."""

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
from finetune.arrays import Doubles, Floats, Labels
from finetune.brief import Brief
from finetune.cells import csv_text
from finetune.errors import DataError, Problem
from finetune.gallery.classifiers import Name, make
from finetune.names import same_identities

if TYPE_CHECKING:
    from finetune.dataset.importers import ImageArray
    from finetune.model import EmbeddingModel

CHUNK = 1024
"""Images of an array that are in memory at once."""
MIN_IMAGES, TRAIN_IMAGES, SEED = 20, 10, 666
PROBABILITIES: tuple[Name, ...] = ("svc", "logistic")
"""Classifiers whose scores are probabilities."""


@dataclasses.dataclass(frozen=True, repr=False)
class DatasetSplit(Brief):
    """Split of a dataset's photos into training and test photos, `{person: paths}` each."""

    train: Mapping[str, Sequence[Path]]
    test: Mapping[str, Sequence[Path]]


def split_dataset(
    people: Mapping[str, Sequence[Path]],
    min_images: int = MIN_IMAGES,
    train_images: int = TRAIN_IMAGES,
    seed: int = SEED,
) -> DatasetSplit:
    """Split the photos of everybody who has enough of them, as the published script does.

    NumPy's legacy generator shuffles each person's photos, with people and photos in order of name. The first photos
    are for training, the rest for testing. (The published script uses the order of the file system.)

    Args:
        people: `{person: paths}`.
        min_images: least number of photos; people with fewer are left out.
        train_images: number of training photos per person.
        seed: seed of the generator.

    Raises:
        DataError: fewer than two people have enough photos.
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
    """Predictions of a classifier for the test photos.

    Attributes:
        predictions: predicted labels, int64 [m].
        accuracy: share of correct predictions; None if the true labels are unknown.
        macro_f1: mean of the people's F1 scores; None if the true labels are unknown.
        scores: score of each predicted label, float64 [m]; its probability for the classifiers of `PROBABILITIES`.
    """

    predictions: Labels
    accuracy: float | None = None
    macro_f1: float | None = None
    scores: Doubles | None = None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class People(Brief):
    """Labels of the training and test images.

    Attributes:
        names: names of the people in the training images, sorted; a label is an index into them.
        train: labels of the training images, int64 [n].
        test: labels of the test images, int64 [m], len(names) for anybody else; None if unknown.
        others: number of test images of anybody else.
    """

    names: tuple[str, ...]
    train: Labels
    test: Labels | None
    others: int

    @classmethod
    def of(cls, train: Sequence[str], test: Sequence[str] | None) -> People:
        """Build labels from one name per image."""
        names = tuple(sorted(set(train)))
        order = {name: label for label, name in enumerate(names)}
        labels = np.array([order[name] for name in train], np.int64)
        if test is None:
            return cls(names, labels, None, 0)
        known = same_identities(names, test)
        tested = np.array([order[known[name]] if name in known else len(names) for name in test], np.int64)
        return cls(names, labels, tested, int((tested == len(names)).sum()))


def embed_array(model: EmbeddingModel, images: ImageArray) -> npt.NDArray[np.float32]:
    """Return embeddings [n, E] of an array's images, each resized to the network's input without keeping its aspect."""
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
    """Train a classifier on embeddings [n, E], and predict a label for each test embedding [m, E], without threshold.

    Raises:
        DataError: the classifier can't tell that many, or that few, people apart.
    """
    classifier = make(name, len(np.unique(train_labels)), seed)
    classifier.fit(train, train_labels)
    best = classifier.best(test)
    predictions, scores = best.labels[:, 0], best.scores[:, 0]
    if test_labels is None:
        return Classified(predictions, scores=scores)
    accuracy = float(np.mean(predictions == test_labels))
    macro_f1 = float(f1_score(test_labels, predictions, average="macro", zero_division=0))
    return Classified(predictions, accuracy, macro_f1, scores)


def write_submission(path: Path, predictions: Labels, names: Sequence[str]) -> None:
    """Write `ImageId,PredictedClass`, one line per test photo from 0, for Kaggle's contest on LFW faces.

    Raises:
        RunError: the file can't be written.
    """
    rows = [(number, names[label]) for number, label in enumerate(predictions.tolist())]
    files.write_text(path, csv_text([("ImageId", "PredictedClass"), *rows]))


def write_predictions(
    path: Path,
    images: Sequence[str],
    names: Sequence[str] | None,
    predicted: Sequence[str],
    scores: Doubles,
    *,
    probabilities: bool,
) -> None:
    """Write a CSV with one line per image: `image,name,predicted,probability`, or `score` in place of the last.

    Args:
        path: file to write.
        images: path of each image, or its row in an array, [m].
        names: name of the person in each image, [m]; None if unknown, which leaves the column empty.
        predicted: predicted name of each image, [m].
        scores: score of each prediction, [m].
        probabilities: True if the scores are probabilities.

    Raises:
        RunError: the file can't be written.
    """
    header = ("image", "name", "predicted", "probability" if probabilities else "score")
    written = [f"{score:.6f}" for score in scores.tolist()]
    rows = zip(images, names or [""] * len(images), predicted, written, strict=True)
    files.write_text(path, csv_text([header, *rows]))
