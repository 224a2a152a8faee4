"""Train and test a classifier on embeddings, as FaceNet's classifier.py does, or write predictions for a contest.

Accuracy is the share of images that are named rightly, which is also their micro-averaged F-score. The macro F-score is
the mean of the people's F-scores, in which each person counts the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.arguments import add_checkpoint
from finetune.cli.restored import restore, standardization_notes
from finetune.cli.sides import Images, listed, read_arrays, read_people, read_test, refuse_gaps
from finetune.cli.values import path, rate, text_file, whole_number
from finetune.dataset import layout, refuse_two_forms
from finetune.errors import Problem, RecipeError
from finetune.images import size_notes, sizes_of
from finetune.paths import in_one_line
from finetune.progress import say, say_aside
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.gallery import CrossValidated, published
    from finetune.model import EmbeddingModel

CLASSIFIERS = ("svc", "svm", "prototype", "k-nearest", "logistic")


EXAMPLES = (
    "finetune classify ~/model ~/people --test ~/more",
    "finetune classify ~/model ~/people --folds 5 --classifier svm",
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
        help="test images: one folder of aligned faces per person, one folder of faces whose people are unknown, or "
        "X_test.npy; without it, PEOPLE is split into training and test images as the published script does",
    )
    parser.add_argument(
        "--split",
        type=rate,
        metavar="SHARE",
        help="test on this share of each person's images, such as 0.3, and train on the rest; without --test",
    )
    parser.add_argument(
        "--folds",
        type=whole_number(2, 1000),
        metavar="N",
        help="cross-validate in N folds with the same share of each person's images, and print mean and standard "
        "deviation over the folds; without --test",
    )
    parser.add_argument(
        "--min-images",
        type=whole_number(2),
        metavar="N",
        help="leave out people with fewer images (default: 20, and nobody with --split or --folds); without --test",
    )
    parser.add_argument(
        "--train-images",
        type=whole_number(1),
        metavar="N",
        help="number of training images per person (default: 10); without --test, --split and --folds",
    )
    parser.add_argument(
        "--seed",
        type=whole_number(0, (1 << 32) - 1),
        default=666,
        metavar="N",
        help="seed of the split, of the folds and of the classifiers (default: 666)",
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
    parser.add_argument(
        "--csv",
        metavar="FILE",
        help="write image,name,predicted,probability for the test images; score in place of the probability for "
        "classifiers without one (svm, prototype, k-nearest)",
    )


def run(options: argparse.Namespace) -> None:
    """Train and test, and print the numbers of photos and each classifier's accuracy and macro F-score."""
    options.classifier = list(dict.fromkeys(options.classifier or ["svc"]))
    _refuse(options)
    read = [path(text) for text in (options.train, options.test, options.labels) if text]
    target = None
    if options.submission:
        target = text_file(options.submission, (".csv", ".txt"), *read)
    table = text_file(options.csv, (".csv",), *read) if options.csv else None
    arrays = read_arrays(options)
    for folder in (options.train, options.test):
        if folder is not None and folder not in arrays:
            refuse_two_forms(layout(path(folder)))  # reports a wrong folder before the checkpoint is restored
    model = restore(options)
    if options.folds:
        _cross_validate(options, _everybody(options, arrays, model), model, table)
    else:
        _train_and_test(options, *_sides(options, arrays, model), model, (target, table))


def _sides(options: argparse.Namespace, arrays: dict[str, Images], model: EmbeddingModel) -> tuple[Images, Images]:
    """Return the images to train on and those to test on."""
    from finetune.gallery import published, split_by_share

    if options.test is not None:
        train = arrays.get(options.train) or read_people(options.train, model)[1]
        test = arrays.get(options.test) or read_test(options.test, model)
        if options.submission and options.test not in arrays:
            refuse_gaps(options.test, test)
        return train, test
    if options.split:
        everybody = _everybody(options, arrays, model)
        split = split_by_share(everybody.names or [], options.split, options.seed)
        return everybody.take(split.train), everybody.take(split.test)
    people, everybody = read_people(options.train, model)
    parts = published.split_dataset(
        people,
        options.min_images or published.MIN_IMAGES,
        options.train_images or published.TRAIN_IMAGES,
        options.seed,
    )
    return listed(parts.train, everybody.records), listed(parts.test, everybody.records)


def _everybody(options: argparse.Namespace, arrays: dict[str, Images], model: EmbeddingModel) -> Images:
    """Return the images of PEOPLE, to be split or cross-validated."""
    images = arrays.get(options.train) or read_people(options.train, model)[1]
    return images.of_frequent(options.min_images) if options.min_images else images


def _train_and_test(
    options: argparse.Namespace,
    train: Images,
    test: Images,
    model: EmbeddingModel,
    targets: tuple[Path | None, Path | None],
) -> None:
    """Train each classifier on one side and test it on the other, and write the submission and the table."""
    from finetune.gallery import few_photos, published

    _say_notes(model, train, test)
    people = published.People.of(train.names or [], test.names)
    if people.others:
        say_aside(f"{people.others} test images of people who are not trained on count as wrong")
    target, table = targets
    if people.test is None and target is None and table is None:
        say_aside("the test images have no names to count by; --submission writes the predictions")
    # Only training images go to the feature cache. Without --test, the whole folder is one training set.
    rows = train.embedded(model, "auto")
    test_rows = test.embedded(model, "off" if options.test else "auto")
    say(f"{_size(len(people.names), len(rows))} to train on, {len(test_rows)} to test on")
    for name in options.classifier:
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
        if table:
            _write_table(table, name, test, people.names, done)


def _cross_validate(options: argparse.Namespace, everybody: Images, model: EmbeddingModel, table: Path | None) -> None:
    """Test each classifier on each fold after training it on the others; the images are embedded once."""
    from finetune.gallery import cross_validate, few_photos, published, split_in_folds

    splits = split_in_folds(everybody.names or [], options.folds, options.seed)
    _say_notes(model, everybody)
    people = published.People.of(everybody.names or [], None)
    rows = everybody.embedded(model, "auto")
    say(f"{_size(len(people.names), len(rows))} in {options.folds} folds")
    for name in options.classifier:
        if few := next(filter(None, (few_photos(name, people.train[train]) for train, _ in splits)), None):
            say_aside(few)
        done = cross_validate(name, rows, people.train, splits, options.seed)
        right = int((done.predictions == people.train).sum())
        say(
            f"{name}: accuracy {done.accuracies.mean():.5f} ± {done.accuracies.std():.5f} "
            f"({right} of {len(rows)}), macro F-score {done.macro_f1.mean():.5f} ± {done.macro_f1.std():.5f}"
        )
        if table:
            _write_table(table, name, everybody, people.names, done)


def _write_table(
    table: Path, classifier: str, images: Images, people: Sequence[str], done: published.Classified | CrossValidated
) -> None:
    """Write the prediction of each image, and say so."""
    from finetune.gallery import published

    assert done.scores is not None  # `classify` gives them
    paths = images.images
    published.write_predictions(
        table,
        [in_one_line(path) for path in paths] if isinstance(paths, list) else [*map(str, range(len(paths)))],
        images.names,
        [people[label] for label in done.predictions.tolist()],
        done.scores,
        probabilities=classifier in published.PROBABILITIES,
    )
    say(f"{counted(len(done.predictions), 'prediction')} in {in_one_line(table)}")


def _size(people: int, images: int) -> str:
    return f"{counted(people, 'person')}, {counted(images, 'image')}"


def _say_notes(model: EmbeddingModel, *sides: Images) -> None:
    """Print on stderr what is unusual about the images' sizes and standardization."""
    files = [photo for side in sides if isinstance(side.images, list) for photo in side.images]
    sizes = sizes_of({photo: record for side in sides for photo, record in side.records.items()}, files)
    for note in [*size_notes(sizes, model.preprocessing.image_size), *standardization_notes(model, files)]:
        say_aside(note)


def _refuse(options: argparse.Namespace) -> None:
    """Refuse options that contradict each other, all at once."""
    problems: list[Problem] = []
    drawn = [flag for flag in ("--split", "--folds") if getattr(options, flag[2:])]
    if len(drawn) == 2:
        problems.append(Problem("--split and --folds", "two ways to test", "give one of them"))
    if options.test is not None and (options.min_images or options.train_images):
        problems.append(
            Problem("--min-images and --train-images", "given with --test, where nothing is split", "leave them out")
        )
    for flag in drawn:
        if options.test is not None:
            problems.append(Problem(flag, "given with --test, where nothing is split", "drop one"))
        if options.train_images:
            problems.append(Problem("--train-images", f"given with {flag}, which says how many are tested", "drop one"))
        if options.submission:
            advice = "give --test with the contest's images, to train on all of PEOPLE"
            problems.append(Problem("--submission", f"given with {flag}, which tests on images of PEOPLE", advice))
    problems += _of_arrays(options)
    if len(options.classifier) > 1:
        written = [flag for flag in ("--submission", "--csv") if getattr(options, flag[2:])]
        problems += [Problem(flag, "takes one classifier", "name one") for flag in written]
    if problems:
        raise RecipeError(*problems)


def _of_arrays(options: argparse.Namespace) -> list[Problem]:
    """Return the problems of options for arrays."""
    problems = []
    is_array = [text is not None and text.endswith(".npy") for text in (options.train, options.test)]
    if is_array[0] and not (options.test or options.split or options.folds):
        problems.append(Problem(options.train, "an array", "give --test, --split or --folds beside it"))
    if is_array[0] != (options.labels is not None):
        problems.append(Problem("--labels", "is for PEOPLE in .npy, and needed there"))
    if not any(is_array) and (options.height or options.width):
        problems.append(Problem("--height and --width", "give the size of images in .npy, and no .npy is given"))
    return problems
