"""Report the problems of a dataset of faces before training, and move suspect images aside."""

from __future__ import annotations

import argparse
import functools
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.arguments import add_checkpoint
from finetune.cli.restored import restore, standardization_notes
from finetune.cli.values import new_file, path, text_file, whole_number
from finetune.errors import Problem, UserError, attempt
from finetune.paths import in_one_line
from finetune.progress import say, say_aside
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.doctor import Report


EXAMPLES = (
    "finetune doctor ~/faces",
    "finetune doctor ~/faces --fix",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder, the data to compare it with, and the files to write."""
    parser.add_argument("folder", metavar="FOLDER", help="folder with one folder of images per person")
    add_checkpoint(parser, optional=True)
    parser.add_argument(
        "--min-images",
        type=whole_number(1, 10**6),
        default=2,
        metavar="N",
        help="report people with fewer usable images (default: 2)",
    )
    parser.add_argument("--lfw", metavar="DIR", help="LFW's faces, to report overlap with the folder; needs --pairs")
    parser.add_argument("--pairs", metavar="FILE", help="pairs file of LFW")
    parser.add_argument("--json", metavar="FILE", help="write all findings as JSON")
    parser.add_argument("--csv", metavar="FILE.csv", help="write the quality of each face, the worst first")
    parser.add_argument("--sheet", metavar="FILE.png", help="write a picture of the worst suspects of each kind")
    parser.add_argument("--fix", action="store_true", help="move suspect images to FOLDER.quarantine")
    parser.add_argument("--undo", action="store_true", help="move the images back")


def run(options: argparse.Namespace) -> None:
    """Examine the folder, and print the table and the number of moved files."""
    from finetune.doctor import Quarantine

    _refuse_contradictions(options)
    if options.undo:
        undone = Quarantine.of(options.folder).undo()
        for path in undone.gone:
            say_aside(f"gone from the quarantine, and not brought back: {in_one_line(path)}")
        for path in undone.renamed:
            say_aside(f"brought back under a new name, the old one is taken: {in_one_line(path)}")
        say(f"{counted(undone.moved, 'file')} moved back to {in_one_line(options.folder)}")
        return
    report = _examine(options)
    if options.fix:
        quarantine = Quarantine.of(options.folder)
        moved = quarantine.move(report.suspects())
        undo = f"finetune doctor {in_one_line(shlex.quote(options.folder))} --undo moves them back"
        say(
            f"{counted(moved, 'file')} moved to {in_one_line(quarantine.place)}; {undo}" if moved else "no file to move"
        )


def _examine(options: argparse.Namespace) -> Report:
    """Open the inputs, reporting all problems at once; then examine the folder, print and write the findings."""
    from finetune.dataset import layout
    from finetune.doctor import Quarantine, Thumbnails, examine, judge_quality, show_report, write_sheet
    from finetune.files import write_json, write_text
    from finetune.paths import in_one_line
    from finetune.verification import read_pairs, resolve

    problems: list[Problem] = []
    found = attempt(problems, lambda: layout(options.folder))
    if found and not (found.files or found.misplaced):
        advice = "give the folder that holds one folder of images per person"
        problems.append(Problem(in_one_line(options.folder), "nothing in it", advice))
    if options.fix and not problems:
        attempt(problems, lambda: Quarantine.of(options.folder).refuse())
    json = attempt(problems, lambda: new_file(options.json, path(options.folder))) if options.json else None
    table = attempt(problems, lambda: _table(options)) if options.csv else None
    picture = attempt(problems, lambda: new_file(options.sheet, path(options.folder))) if options.sheet else None
    pairs = attempt(problems, lambda: resolve(read_pairs(options.pairs), options.lfw, "skip")) if options.lfw else None
    model = attempt(problems, lambda: restore(options)) if options.checkpoint else None
    if problems:
        raise UserError(*problems)
    read = functools.cache(Thumbnails)  # judge_quality needs no file again
    minimum = options.min_images
    report = examine(options.folder, crop=options.image_size, min_images=minimum, model=model, lfw=pairs, inspect=read)
    images = tuple(image for images in found.files.values() for image in images) if found else ()
    report = judge_quality(report, read(images))
    show_report(report)
    if model:
        for note in standardization_notes(model, images):
            say_aside(note)
    if json:
        write_json(json, report.to_json())
    if table:
        write_text(table, report.to_csv())
        say(f"{in_one_line(table)}: the quality of {counted(len(report.qualities), 'face')}")
    if picture:
        say(write_sheet(report, picture))
    return report


def _table(options: argparse.Namespace) -> Path:
    """Return the path of `--csv`, which may not lie in the folder."""
    return text_file(options.csv, (".csv",), path(options.folder))


def _overlap(first: str, second: str) -> bool:
    """Return whether two folders are the same, or one lies in the other."""
    a, b = (Path(os.path.realpath(os.path.expanduser(folder))) for folder in (first, second))
    return a.is_relative_to(b) or b.is_relative_to(a)


def _refuse_contradictions(options: argparse.Namespace) -> None:
    """Raise `UserError` with one line per option that contradicts the others."""
    problems = []
    given = [
        name
        for name in ("fix", "checkpoint", "lfw", "pairs", "json", "csv", "sheet", "image_size", "standardization")
        if getattr(options, name)
    ]
    if options.undo and given:
        others = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        problems.append(Problem("--undo", f"given with {others}", "give it alone, it only moves files back"))
    elif bool(options.lfw) != bool(options.pairs):
        alone, missing = ("--lfw", "--pairs FILE") if options.lfw else ("--pairs", "--lfw DIR")
        problems.append(Problem(alone, "given alone", f"give {missing} too"))
    elif options.lfw and _overlap(options.folder, options.lfw):
        folders = f"{in_one_line(options.lfw)} and {in_one_line(options.folder)}"
        problems.append(
            Problem("--lfw", f"{folders} are one folder, or one lies in the other", "give LFW's own, apart from it")
        )
    if options.standardization and not (options.checkpoint or options.undo):
        problems.append(Problem("--standardization", "given without a checkpoint", "give --checkpoint too"))
    if options.sheet and Path(options.sheet).suffix.lower() != ".png":
        problems.append(Problem(options.sheet, "", "give a file name that ends in .png"))
    if problems:
        raise UserError(*problems)
