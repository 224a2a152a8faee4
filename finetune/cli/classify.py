"""Train and test a classifier on embeddings, as FaceNet's classifier.py does, or write predictions for a contest."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from finetune.cli.arguments import (
    add_checkpoint,
    path,
    restore,
    say_left_out,
    standardization_notes,
    text_file,
    whole_number,
)
from finetune.dataset import Quarantined, layout, refuse_two_forms
from finetune.errors import DataError, Problem, RecipeError
from finetune.images import Records, inspect_images, size_notes, sizes_of
from finetune.paths import in_one_line
from finetune.progress import say, say_aside
from finetune.words import counted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from finetune.dataset.importers import ImageArray
    from finetune.model import Model
    from finetune.recipe import Cache

CLASSIFIERS = ("svc", "svm", "prototype", "k-nearest", "logistic")


EXAMPLES = (
    "finetune classify ~/model ~/people --test ~/more",
    "finetune classify ~/model ~/people --classifier svm",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the checkpoint, the images, the split, and the files to write."""
    add_checkpoint(parser)
    parser.add_argument(
        "train",
        metavar="PEOPLE",
        help="training images: one folder of aligned faces per person; or X_train.npy, with --labels",
    )
    parser.add_argument(
        "--test",
        metavar="TEST",
        help="test images: one folder of aligned faces per person, or X_test.npy; without it, PEOPLE is split into "
        "training and test images as the published script does",
    )
    parser.add_argument(
        "--min-images",
        type=whole_number(2),
        metavar="N",
        help="leave out people with fewer images (default: 20); without --test",
    )
    parser.add_argument(
        "--train-images",
        type=whole_number(1),
        metavar="N",
        help="number of training images per person (default: 10); without --test",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0, (1 << 32) - 1),
        default=666,
        metavar="N",
        help="seed of the split and of the classifiers (default: 666)",
    )
    parser.add_argument(
        "--classifier",
        choices=CLASSIFIERS,
        action="append",
        help="classifier to train (default: svc, the published one); may be given several times",
    )
    parser.add_argument("--labels", metavar="FILE", help="y_train.npy, with one label per row of PEOPLE")
    parser.add_argument(
        "--height", type=whole_number(1, 4096), metavar="PIXELS", help="image height, for flat rows in .npy"
    )
    parser.add_argument(
        "--width", type=whole_number(1, 4096), metavar="PIXELS", help="image width, for flat rows in .npy"
    )
    parser.add_argument(
        "--submission", metavar="FILE", help="write ImageId,PredictedClass for the test images, numbered from 0"
    )


class Images(NamedTuple):
    """The training images or the test images.

    Attributes:
        images: image files, or an array of images.
        names: name of the person in each image, or None if unknown.
        records: records of the files.
    """

    images: list[Path] | ImageArray
    names: list[str] | None
    records: Records


def run(options: argparse.Namespace) -> None:
    """Train and test, and print the numbers of photos and each classifier's accuracy and macro F-score."""
    from finetune.gallery import few_photos, published

    options.classifier = options.classifier or ["svc"]
    _refuse(options)
    target = None
    if options.submission:
        read = [path(text) for text in (options.train, options.test, options.labels) if text]
        target = text_file(options.submission, (".csv", ".txt"), *read)
    arrays = _arrays(options)
    for folder in (options.train, options.test):
        if folder is not None and folder not in arrays:
            refuse_two_forms(layout(path(folder)))  # reports a wrong folder before the checkpoint is restored
    model = restore(options)
    if options.test is None:
        everybody, records = _people(options.train, model)
        parts = published.split_dataset(
            everybody,
            options.min_images or published.MIN_IMAGES,
            options.train_images or published.TRAIN_IMAGES,
            options.seed,
        )
        train, test = _listed(parts.train, records), _listed(parts.test, records)
    else:
        train, test = (
            arrays[text] if text in arrays else _listed(*_people(text, model)) for text in (options.train, options.test)
        )
    size = model.preprocessing.image_size
    files = [photo for side in (train, test) if isinstance(side.images, list) for photo in side.images]
    sizes = sizes_of({**train.records, **test.records}, files)
    for note in [*size_notes(sizes, size), *standardization_notes(model, files)]:
        say_aside(note)
    people = published.People.of(train.names or [], test.names)
    if people.others:
        say_aside(f"{people.others} test images of people who are not trained on count as wrong")
    # Only training images go to the feature cache. Without --test, the whole folder is one training set.
    rows = _embedded(train, model, "auto")
    test_rows = _embedded(test, model, "off" if options.test else "auto")
    say(
        f"{counted(len(people.names), 'person')}, {counted(len(rows), 'image')} to train on, "
        f"{len(test_rows)} to test on"
    )
    for name in dict.fromkeys(options.classifier):
        if few := few_photos(name, people.train):
            say_aside(few)
        done = published.classify(name, rows, people.train, test_rows, people.test, options.seed)
        if done.accuracy is not None:
            right = round(done.accuracy * len(test_rows))
            say(
                f"{name}: accuracy {done.accuracy:.5f} ({right} of {len(test_rows)}), macro F-score {done.macro_f1:.5f}"
            )
        if target:
            published.write_submission(target, done.predictions, people.names)
            say(f"{len(done.predictions)} predictions in {in_one_line(target)}")


def _refuse(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other, all at once."""
    problems = []
    is_array = [text is not None and text.endswith(".npy") for text in (options.train, options.test)]
    if options.test is not None and (options.min_images or options.train_images):
        problems.append(
            Problem("--min-images and --train-images", "given with --test, where nothing is split", "leave them out")
        )
    if is_array[0] and options.test is None:
        problems.append(Problem(options.train, "an array", "give --test beside it"))
    if is_array[0] != (options.labels is not None):
        problems.append(Problem("--labels", "is for PEOPLE in .npy, and needed there"))
    if not any(is_array) and (options.height or options.width):
        problems.append(Problem("--height and --width", "give the size of images in .npy, and no .npy is given"))
    if options.submission and len(set(options.classifier)) > 1:
        problems.append(Problem("--submission", "takes one classifier", "name one"))
    if problems:
        raise RecipeError(*problems)


def _arrays(options: argparse.Namespace) -> dict[str, Images]:
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


def _people(text: str, model: Model) -> tuple[dict[str, list[Path]], Records]:
    """Return a folder's usable images, `{person: paths}`, and all records; print the images left out."""
    found = layout(path(text))
    paths = [photo for photos in found.files.values() for photo in photos]
    records = inspect_images(paths)
    reasons = {path: record.unusable(model.preprocessing.image_size) for path, record in records.items()}
    say_left_out([*found.misplaced, *(Quarantined(photo, reason) for photo, reason in reasons.items() if reason)])
    people = {name: [photo for photo in photos if not reasons[photo]] for name, photos in found.files.items()}
    people = {name: photos for name, photos in people.items() if photos}
    if not people:
        raise DataError(Problem(text, "no usable image in any folder", "give one folder of aligned faces per person"))
    return people, records


def _listed(people: Mapping[str, Sequence[Path]], records: Records) -> Images:
    pairs = [(photo, name) for name, photos in people.items() for photo in photos]
    return Images([photo for photo, _ in pairs], [name for _, name in pairs], records)


def _embedded(side: Images, model: Model, cache: Cache) -> npt.NDArray[np.float32]:
    from finetune.embedding import Embedder
    from finetune.gallery import embed_array

    if isinstance(side.images, list):
        return Embedder(model, cache, side.records).embeddings(side.images)
    return embed_array(model, side.images)
