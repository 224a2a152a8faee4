"""Identify faces in photos with a gallery, or answer "unknown"."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.arguments import add_checkpoint, add_min_face_size, path, rate, restore_of, text_file
from finetune.errors import DataError, Problem, RecipeError, UserError
from finetune.files import refuse_used
from finetune.paths import find_images, in_one_line, refuse_within
from finetune.progress import say, say_aside
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.gallery import Classifier, Gallery, Threshold
    from finetune.model import Model

CLASSIFIERS = ("prototype", "k-nearest", "svm", "logistic", "svc", "head")


EXAMPLES = (
    "finetune identify friends.h5 party.jpg --align --threshold 0.5",
    "finetune identify friends.h5 ~/inbox --align --far 0.05 --csv names.csv",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the gallery, the photos, the classifier and its threshold, and the files to write."""
    parser.add_argument("gallery", metavar="GALLERY", help="file made by finetune enroll")
    parser.add_argument("photos", metavar="PHOTOS", nargs="+", help="aligned faces: files, or folders of any depth")
    parser.add_argument(
        "--align", action="store_true", help="find faces first; PHOTOS may then show any number of faces"
    )
    add_min_face_size(parser)
    parser.add_argument(
        "--classifier",
        choices=CLASSIFIERS,
        metavar="NAME",
        default="prototype",
        help="prototype: nearest mean (default); k-nearest: nearest photos; svm: one linear SVM per person; logistic: "
        "logistic regression; svc: FaceNet's one-against-one SVM; head: the checkpoint's softmax head",
    )
    parser.add_argument(
        "--far",
        type=rate,
        default=0.01,
        metavar="RATE",
        help="false accept rate: share of strangers who may be identified as an enrolled person (default: 0.01)",
    )
    parser.add_argument(
        "--threshold", type=_score, metavar="SCORE", help="identify faces with a score above this, instead of --far"
    )
    parser.add_argument(
        "--labelled",
        action="store_true",
        help="also print how many photos are identified correctly; PHOTOS needs one folder per person",
    )
    parser.add_argument("--csv", metavar="FILE", help="write one line per face")
    parser.add_argument("--draw", metavar="OUT", help="write the photos with the names of their faces into this folder")
    add_checkpoint(parser, optional=True)


def run(options: argparse.Namespace) -> None:
    """Identify the faces, and print one line per face and the origin of the threshold."""
    from finetune.gallery import few_photos, left_out_share, read_gallery

    if options.min_face_size and not options.align:
        raise RecipeError(Problem("--min-face-size", "given without --align, which looks for faces"))
    target = path(options.gallery)
    gallery = read_gallery(target)
    if not gallery.people:
        raise DataError(Problem(in_one_line(target), "nobody is enrolled", "see finetune enroll --help"))
    photos = [path(text) for text in options.photos]
    table = text_file(options.csv, (".csv",), target, *photos) if options.csv else None
    out = _folder(options.draw, photos) if options.draw else None
    model = restore_of(options, gallery.contract)
    from finetune.gallery import count_named, draw, faces_of, identify, refuse_nothing, write_csv

    people, classifier, threshold = _classifier(options, gallery, target, model)
    notes = [few_photos(options.classifier, gallery.labels)]
    if not options.align:
        from finetune.images import header_sizes, size_notes

        found, size = [image for photo in photos for image in find_images(photo)], model.preprocessing.image_size
        notes += [f"{note}; --align finds them" for note in size_notes(header_sizes(found), size)]
    for note in filter(None, notes):
        say_aside(note)
    with faces_of(photos, model, detect=options.align, min_face_size=options.min_face_size or 20) as faces:
        refuse_nothing(faces)
        answers = identify(faces, model, people, classifier, threshold)
    if table:
        write_csv(table, answers)
    for answer in answers:
        say(str(answer))
    say(str(threshold))
    share = left_out_share(gallery, classifier, threshold)
    if share:
        say(share)
    if options.labelled:
        for line in count_named(answers, people):
            say(line)
    if out:
        say(f"{counted(draw(answers, out), 'photo')} drawn in {in_one_line(out)}")


def _classifier(
    options: argparse.Namespace, gallery: Gallery, target: Path, model: Model
) -> tuple[tuple[str, ...], Classifier, Threshold]:
    """Return the people of a classifier, the classifier, and its threshold."""
    from finetune.gallery import Contract, Threshold, calibrate, fitted, fitted_head, fitting

    fitting(gallery, Contract.of(model), target)
    people: tuple[str, ...] = gallery.people
    classifier: Classifier
    if options.classifier == "head":
        people, classifier = fitted_head(model)
    else:
        classifier = fitted(options.classifier, gallery, target)
    if options.threshold is not None:
        return people, classifier, Threshold(options.threshold)
    try:
        return people, classifier, calibrate(gallery, classifier, options.classifier, options.far)
    except UserError as error:
        advice = "enrol strangers (finetune enroll GALLERY FOLDER --strangers), or give --far or --threshold"
        raise DataError(*error.within(in_one_line(target), advice)) from None


def _folder(text: str, photos: Sequence[Path]) -> Path:
    """Return the new folder for the pictures, outside of all folders that are read."""
    out = path(text)
    refuse_used(out)
    for given in photos:
        if given.is_dir():
            refuse_within(out, given)
    return out


def _score(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"found {text!r}; give a number")
    return value
