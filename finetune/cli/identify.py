"""Identify faces in photos with a gallery, or answer "unknown"."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.arguments import add_checkpoint, add_min_face_size
from finetune.cli.restored import restore_of
from finetune.cli.values import number, path, rate, text_file
from finetune.cli.watching import add_watching, watch_folder, watching_problems
from finetune.errors import DataError, Problem, RecipeError, UserError
from finetune.files import refuse_used
from finetune.paths import find_images, in_one_line, refuse_within
from finetune.progress import say, say_aside
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.gallery import Classifier, Face, Gallery, Identification, Policy, Threshold
    from finetune.model import EmbeddingModel

FACES = ("centred", "largest", "each", "one")
CLASSIFIERS = ("prototype", "k-nearest", "svm", "logistic", "svc", "head")
UNBOUNDED = ("svm",)
"""Classifiers whose scores have no upper limit. Cosine similarities, votes and probabilities are 1 at most."""

PICTURES = (".svg", ".png", ".pdf")

EXAMPLES = (
    "finetune identify friends.h5 party.jpg --align --threshold 0.5",
    "finetune identify friends.h5 ~/inbox --align --far 0.05 --csv names.csv",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the gallery, the photos, the classifier and its threshold, and the files to write."""
    parser.add_argument("gallery", metavar="GALLERY", help="file made by finetune enroll")
    parser.add_argument("photos", metavar="PHOTOS", nargs="*", help="aligned faces: files, or folders of any depth")
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
        metavar="RATE",
        help="false accept rate: share of strangers who may be identified as an enrolled person (default: 0.01)",
    )
    parser.add_argument(
        "--threshold", type=_score, metavar="SCORE", help="identify faces with a score above this, instead of --far"
    )
    parser.add_argument(
        "--labelled",
        action="store_true",
        help="also print how many photos are identified correctly, with rates, people and confusions; PHOTOS needs one "
        "folder per person",
    )
    parser.add_argument(
        "--faces",
        choices=FACES,
        help="what counts of a photo with several faces, for --labelled. centred: its main face, the largest with a "
        "preference for the centre, as for enroll (default); largest: its largest face; each: all of its faces, "
        "the photo is right if one of them is; one: such photos do not count",
    )
    parser.add_argument("--json", metavar="FILE", help="write the figures of --labelled, with CMC, DET and ROC curves")
    parser.add_argument(
        "--curves", metavar="FILE", help="draw the curves of --labelled, with their intervals, as .svg, .png or .pdf"
    )
    parser.add_argument("--csv", metavar="FILE", help="write one line per face")
    parser.add_argument("--draw", metavar="OUT", help="write the photos with the names of their faces into this folder")
    add_watching(parser)
    add_checkpoint(parser, optional=True)


def run(options: argparse.Namespace) -> None:
    """Identify the faces, and print one line per face and the origin of the threshold."""
    from finetune.gallery import few_photos, left_out_share, read_gallery

    _refuse(options)
    target = path(options.gallery)
    gallery = read_gallery(target)
    if not gallery.people:
        raise DataError(Problem(in_one_line(target), "nobody is enrolled", "see finetune enroll --help"))
    photos = [path(text) for text in options.photos]
    table = text_file(options.csv, (".csv",), target, *photos) if options.csv else None
    out = _folder(options.draw, photos) if options.draw else None
    figures = text_file(options.json, (".json",), target, *photos) if options.json else None
    curves = text_file(options.curves, PICTURES, target, *photos) if options.curves else None
    model = restore_of(options, gallery.contract)
    from finetune.gallery import faces_of, identify, refuse_nothing

    people, classifier, threshold = _classifier(options, gallery, target, model)
    if options.watch is not None:
        say_aside(str(threshold))

        def named(photo: Path) -> list[Identification]:
            with faces_of(photo, model, detect=options.align, min_face_size=options.min_face_size or 20) as faces:
                return identify(faces, model, people, classifier, threshold, None, gallery.decisions)

        watch_folder(options, named)
        return
    notes = [few_photos(options.classifier, gallery.labels)]
    if not options.align:
        from finetune.images import header_sizes, size_notes

        found, size = [image for photo in photos for image in find_images(photo)], model.preprocessing.image_size
        notes += [f"{note}; --align finds them" for note in size_notes(header_sizes(found), size)]
    for note in filter(None, notes):
        say_aside(note)
    with faces_of(photos, model, detect=options.align, min_face_size=options.min_face_size or 20) as faces:
        refuse_nothing(faces)
        owners = _owners(faces, people) if options.labelled else None
        answers = identify(faces, model, people, classifier, threshold, owners, gallery.decisions)
    if table:
        from finetune.gallery import write_csv

        write_csv(table, answers)
    for answer in answers:
        say(str(answer))
    say(str(threshold))
    share = left_out_share(gallery, classifier, threshold)
    if share:
        say(share)
    if options.labelled and not owners and _in_one_folder(faces, photos):
        say_aside("--labelled: no photo lies in a folder of its person; nothing is counted")
    elif options.labelled:
        _labelled(answers, people, options.faces or "centred", figures, curves)
    if out:
        from finetune.gallery import draw

        say(f"{counted(draw(answers, out), 'photo')} drawn in {in_one_line(out)}")


def _owners(faces: Sequence[Face], people: Sequence[str]) -> Mapping[Path, str]:
    """Return the person whom each photo shows, by its folder."""
    from finetune.gallery import owners_of

    return owners_of({face.photo for face in faces}, people)


def _in_one_folder(faces: Sequence[Face], given: Sequence[Path]) -> bool:
    """Return whether all photos lie directly in one given folder, which is then not that of a person."""
    folders = {face.photo.parent for face in faces}
    return len(folders) == 1 and folders <= {place if place.is_dir() else place.parent for place in given}


def _labelled(
    answers: Sequence[Identification],
    people: Sequence[str],
    policy: Policy,
    target: Path | None,
    curves: Path | None,
) -> None:
    """Print the rates and tables of labelled photos, and write their files."""
    from finetune.files import write_json
    from finetune.gallery import label_photos, measure_labelled, show_figures

    photos = label_photos(answers, people, policy)
    for line in photos.lines():
        say(line)
    found = measure_labelled(photos, len(people))
    show_figures(found)
    if target:
        counts = {
            "faces": policy,
            "photos": len(photos.own),
            "photos_of_others": len(photos.others),
            "further_faces": len(photos.further),
            "photos_with_several_faces_left_out": photos.n_several,
            "photos_without_face": photos.n_without,
        }
        write_json(target, counts | found.to_json())
    if curves and (found.cmc or found.curve):
        from finetune.report import write_curves

        write_curves(curves, found.cmc, found.curve)
    elif curves:
        say_aside(f"{in_one_line(curves)}: not drawn; no photo lies in a folder of an enrolled person")


def _refuse(options: argparse.Namespace) -> None:
    """Refuse options that need another one, all at once."""
    problems = watching_problems(options)
    if options.min_face_size and not options.align:
        problems.append(Problem("--min-face-size", "given without --align, which looks for faces"))
    given = [flag for flag in ("--faces", "--json", "--curves") if getattr(options, flag[2:])]
    if given and not options.labelled:
        found = "given without --labelled, which counts photos by their folders"
        problems += [Problem(flag, found, "give both") for flag in given]
    if options.threshold is not None and options.far:
        problems.append(Problem("--threshold", "given with --far, which finds it", "give one of them"))
    if options.threshold is not None and options.threshold > 1 and options.classifier not in UNBOUNDED:
        found = f"found {options.threshold:g}, which no score of {options.classifier} exceeds"
        problems.append(Problem("--threshold", found, "give 1 at most"))
    if problems:
        raise RecipeError(*problems)


def _classifier(
    options: argparse.Namespace, gallery: Gallery, target: Path, model: EmbeddingModel
) -> tuple[tuple[str, ...], Classifier, Threshold]:
    """Return the people of a classifier, the classifier, and its threshold."""
    from finetune.gallery import Contract, Threshold, fitted, fitting

    fitting(gallery, Contract.of(model), target)
    people: tuple[str, ...] = gallery.people
    classifier: Classifier
    if options.classifier == "head":
        from finetune.gallery import fitted_head

        people, classifier = fitted_head(model)
    else:
        classifier = fitted(options.classifier, gallery, target)
    if options.threshold is not None:
        return people, classifier, Threshold(options.threshold)
    from finetune.gallery import FAR, calibrate

    try:
        return people, classifier, calibrate(gallery, classifier, options.classifier, options.far or FAR)
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
    return number(text, math.isfinite, "a number")
