"""Finds the faces of photos by MTCNN as FaceNet ran it, and cuts them; it may be stopped and run again."""

from __future__ import annotations

import argparse
import contextlib

from finetune.cli.arguments import new_file, path, probability, whole_number
from finetune.errors import Problem, UserError
from finetune.progress import say

FORMATS = ("png", "jpg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The photos, the folder for crops, and how to find and cut faces."""
    parser.add_argument("photos", metavar="PHOTOS", help="a folder of any depth, one folder per person, or one photo")
    parser.add_argument("out", metavar="OUT", help="the folder for the crops: PHOTOS/NAME/X.jpg becomes OUT/NAME/X.png")
    parser.add_argument(
        "--size",
        type=whole_number(1, 4096),
        default=160,
        metavar="PIXELS",
        help="side of the crops (160); for training 182",
    )
    parser.add_argument(
        "--margin",
        type=whole_number(0, 4096),
        default=32,
        metavar="PIXELS",
        help="that a box is grown by, half on each side; 44 for training (32)",
    )
    parser.add_argument("--all", action="store_true", dest="all_faces", help="cut every face, as X_0, X_1, …")
    parser.add_argument("--format", choices=FORMATS, default="png", help="of the crops (png)")
    parser.add_argument(
        "--min-face-size",
        type=whole_number(12, 4096),
        metavar="PIXELS",
        help="side of the smallest face (20)",
    )
    parser.add_argument("--score", type=probability, metavar="P", help="probability that a face must exceed (0.7)")
    parser.add_argument(
        "--turn", action="store_true", help="photos may lie on a side or stand on their head: try four turns of each"
    )
    parser.add_argument("--boxes", metavar="FILE", help="write the faces that were found, a line each")
    parser.add_argument("--from-boxes", metavar="FILE", help="take the faces from such a file and detect nothing")


def run(options: argparse.Namespace) -> None:
    """Prints each photo that has no crop with the reason, and the coverage."""
    from finetune.align import Alignment, align, leftovers, read_boxes, write_boxes
    from finetune.paths import in_one_line
    from finetune.runtime import devices

    found_by = {name: getattr(options, name) for name in ("min_face_size", "score")}
    chosen = {name: value for name, value in found_by.items() if value is not None}
    if options.from_boxes and chosen:
        flags = (f"--{name.replace('_', '-')}" for name in chosen)
        raise UserError(
            *(Problem(flag, "given with --from-boxes, which detects nothing", "drop one") for flag in flags)
        )
    alignment = Alignment(options.size, options.margin, options.all_faces, options.format, turn=options.turn, **chosen)
    target = new_file(options.boxes, path(options.photos)) if options.boxes else None
    if target and options.from_boxes and target.resolve() == path(options.from_boxes).resolve():
        raise UserError(
            Problem(in_one_line(target), "given with --boxes and --from-boxes", "give another file to write")
        )
    boxes = read_boxes(path(options.from_boxes)) if options.from_boxes else None
    import tensorflow as tf

    # The workers keep all cores busy: threads within an operation would only take turns.
    with contextlib.suppress(RuntimeError):  # where this process has computed something already
        tf.config.threading.set_intra_op_parallelism_threads(1)
    devices.prepare()
    photos, out = path(options.photos), path(options.out)
    coverage = align(photos, out, alignment, boxes)
    if target:
        write_boxes(target, coverage.faces())
    for outcome in coverage.failures:
        say(f"{in_one_line(outcome.photo)}: {outcome.failure}")
    for remark in coverage.remarks(alignment):
        say(remark)
    for left in leftovers(out, coverage, alignment):
        say(f"{in_one_line(left)}: left from an earlier run; its photo has gone or has changed: remove it")
    say(f"{coverage.summary}; crops in {in_one_line(out)}")
