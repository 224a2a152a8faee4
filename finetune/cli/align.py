"""Find faces in photos by MTCNN as FaceNet ran it, and crop them. It may be stopped and run again."""

from __future__ import annotations

import argparse

from finetune.cli.values import new_file, path, probability, whole_number
from finetune.errors import Problem, UserError
from finetune.progress import say

FORMATS = ("png", "jpg")
FALLBACKS = {"centre": "its central square was cut instead", "whole": "the whole photo was resized instead"}


EXAMPLES = (
    "finetune align ~/photos ~/faces --size 182 --margin 44",
    "finetune align ~/lfw/images ~/lfw_160",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the photos, the folder for the crops, and the settings of the alignment."""
    parser.add_argument(
        "photos", metavar="PHOTOS", help="one photo, or a folder of any depth, such as one folder per person"
    )
    parser.add_argument("out", metavar="OUT", help="folder for the crops: PHOTOS/NAME/X.jpg becomes OUT/NAME/X.png")
    parser.add_argument(
        "--size",
        type=whole_number(1, 4096),
        default=160,
        metavar="PIXELS",
        help="side of the crops in pixels (default: 160); 182 for training",
    )
    parser.add_argument(
        "--margin",
        type=whole_number(0, 4096),
        default=32,
        metavar="PIXELS",
        help="margin added to a face's box, half on each side (default: 32); 44 for training",
    )
    parser.add_argument("--all", action="store_true", dest="all_faces", help="crop all faces, as X_0, X_1, …")
    parser.add_argument("--format", choices=FORMATS, default="png", help="format of the crops (default: png)")
    parser.add_argument(
        "--min-face-size",
        type=whole_number(12, 4096),
        metavar="PIXELS",
        help="side of the smallest face to find (default: 20)",
    )
    parser.add_argument(
        "--score", type=probability, metavar="P", help="probability that a face must exceed (default: 0.7)"
    )
    parser.add_argument(
        "--turn", action="store_true", help="try all four orientations, for photos on their side or upside down"
    )
    parser.add_argument(
        "--fallback",
        choices=FALLBACKS,
        help="where no face is found, resize to --size, without margin: centre, the photo's central square, whose side "
        "is its shorter one; or whole, the whole photo, without keeping its aspect, as faces are, for photos that are "
        "cut to the face already (default: leave the photo out)",
    )
    parser.add_argument("--boxes", metavar="FILE", help="write the boxes of the faces to this file, one line per face")
    parser.add_argument("--from-boxes", metavar="FILE", help="read the boxes from such a file instead of detecting")


def run(options: argparse.Namespace) -> None:
    """Align the photos, and print the reason for each photo without crop, each fallback and the coverage."""
    from finetune.align import Alignment, align, leftovers, read_boxes, write_boxes
    from finetune.paths import in_one_line

    found_by = {name: getattr(options, name) for name in ("min_face_size", "score")}
    chosen = {name: value for name, value in found_by.items() if value is not None}
    if options.from_boxes and chosen:
        flags = (f"--{name.replace('_', '-')}" for name in chosen)
        raise UserError(
            *(Problem(flag, "given with --from-boxes, which detects nothing", "drop one") for flag in flags)
        )
    chosen |= {"turn": options.turn, "fallback": options.fallback}
    alignment = Alignment(options.size, options.margin, options.all_faces, options.format, **chosen)
    target = new_file(options.boxes, path(options.photos)) if options.boxes else None
    if target and options.from_boxes and target.resolve() == path(options.from_boxes).resolve():
        raise UserError(
            Problem(in_one_line(target), "given with --boxes and --from-boxes", "give another file to write")
        )
    boxes = read_boxes(path(options.from_boxes)) if options.from_boxes else None
    photos, out = path(options.photos), path(options.out)
    coverage = align(photos, out, alignment, boxes)
    if target:
        write_boxes(target, coverage.faces())
    for outcome in coverage.failures:
        say(f"{in_one_line(outcome.photo)}: {outcome.failure}")
    for outcome in coverage.fallbacks:
        say(f"{in_one_line(outcome.photo)}: no face found; {FALLBACKS[str(outcome.fallback)]}")
    for remark in coverage.remarks(alignment):
        say(remark)
    for left in leftovers(out, coverage, alignment):
        say(f"{in_one_line(left)}: left from an earlier run; its photo has gone or has changed: remove it")
    say(f"{coverage.summary}; crops in {in_one_line(out)}")
