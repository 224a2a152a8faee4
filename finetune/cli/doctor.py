"""Says what is wrong with a folder of people's faces before it is trained on, and moves suspects aside."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from finetune.cli.arguments import add_checkpoint, new_file, restore
from finetune.errors import UserError

if TYPE_CHECKING:
    from finetune.doctor import Report

Opened = TypeVar("Opened")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder, what it is compared with, and what is written."""
    parser.add_argument("folder", metavar="FOLDER", help="one folder of images per person")
    add_checkpoint(parser, optional=True)
    parser.add_argument(
        "--min-images", type=_count, default=2, metavar="N", help="tell of people with fewer usable images; 2"
    )
    parser.add_argument("--lfw", metavar="DIR", help="LFW's faces, to tell what of them the folder holds too")
    parser.add_argument("--pairs", metavar="FILE", help="the pairs that name them")
    parser.add_argument("--json", metavar="FILE", help="write every finding")
    parser.add_argument("--sheet", metavar="FILE.png", help="write a picture of the suspects, the worst of each kind")
    parser.add_argument("--fix", action="store_true", help="move suspect images to FOLDER.quarantine")
    parser.add_argument("--undo", action="store_true", help="move them back")


def run(options: argparse.Namespace) -> None:
    """Prints the table, and what was moved."""
    from finetune.doctor.quarantine import Quarantine
    from finetune.folders import in_one_line

    _refuse_contradictions(options)
    if options.undo:
        back, gone = Quarantine.of(options.folder).undo()
        for path in gone:
            print(f"gone from the quarantine, and not brought back: {in_one_line(path)}", file=sys.stderr)
        print(f"{back} files moved back to {in_one_line(options.folder)}")
        return
    report = _examine(options)
    if options.fix:
        quarantine = Quarantine.of(options.folder)
        moved = quarantine.move(report.suspects())
        undo = f"finetune doctor {in_one_line(options.folder)} --undo moves them back"
        print(f"{moved} files moved to {in_one_line(quarantine.place)}; {undo}" if moved else "no file to move")


def _examine(options: argparse.Namespace) -> Report:
    """Opens what the options name, saying all that is wrong with it at once; examines, prints and writes."""
    from finetune.dataset.scan import layout
    from finetune.doctor import examine, sheet, tables
    from finetune.doctor.quarantine import Quarantine
    from finetune.evaluation import read_pairs, resolve
    from finetune.files import write_json

    problems: list[str] = []

    def attempt(opening: Callable[[], Opened]) -> Opened | None:
        try:
            return opening()
        except UserError as error:
            problems.extend(error.problems)
            return None

    attempt(lambda: layout(options.folder))
    if options.fix and not problems:
        attempt(lambda: Quarantine.of(options.folder).refuse())
    json = attempt(lambda: new_file(options.json)) if options.json else None
    picture = attempt(lambda: new_file(options.sheet)) if options.sheet else None
    pairs = attempt(lambda: resolve(read_pairs(options.pairs), options.lfw, "skip")) if options.lfw else None
    model = attempt(lambda: restore(options)) if options.checkpoint else None
    if problems:
        raise UserError(*problems)
    minimum = options.min_images
    report = examine(options.folder, crop=options.image_size, min_images=minimum, model=model, lfw=pairs)
    tables.show(report)
    if json:
        write_json(json, report.to_json())
    if picture:
        print(sheet.write(report, picture))
    return report


def _refuse_contradictions(options: argparse.Namespace) -> None:
    """Raises `UserError` with a line for each option that goes with none of the others."""
    problems = []
    given = [
        name
        for name in ("fix", "checkpoint", "lfw", "pairs", "json", "sheet", "image_size", "standardization")
        if getattr(options, name)
    ]
    if options.undo and given:
        others = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        problems.append(f"--undo: given with {others}; give it alone, it only moves files back")
    elif bool(options.lfw) != bool(options.pairs):
        alone, missing = ("--lfw", "--pairs FILE") if options.lfw else ("--pairs", "--lfw DIR")
        problems.append(f"{alone}: given alone; give {missing} too")
    if options.standardization and not (options.checkpoint or options.undo):
        problems.append("--standardization: given without a checkpoint; give --checkpoint too")
    if options.sheet and Path(options.sheet).suffix.lower() != ".png":
        problems.append(f"{options.sheet}: give a file name that ends in .png")
    if problems:
        raise UserError(*problems)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 10**6):
        raise argparse.ArgumentTypeError(f"found {text!r}; give a whole number from 1")
    return int(text)
