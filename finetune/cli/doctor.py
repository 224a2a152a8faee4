"""Says what is wrong with a folder of people's faces before it is trained on, and moves suspects aside."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.arguments import add_checkpoint, new_file, restore
from finetune.errors import UserError

if TYPE_CHECKING:
    from finetune.doctor import Report
    from finetune.evaluation import ImagePairs


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
    from finetune.doctor import examine, tables
    from finetune.doctor.quarantine import Quarantine

    _refuse_contradictions(options)
    if options.undo:
        back, gone = Quarantine.of(options.folder).undo()
        for path in gone:
            print(f"gone from the quarantine, and not brought back: {path}", file=sys.stderr)
        print(f"{back} files moved back to {options.folder}")
        return
    targets = {name: new_file(text) for name in ("json", "sheet") if (text := getattr(options, name))}
    pairs = _pairs(options)
    report = examine(
        options.folder,
        crop=options.image_size,
        min_images=options.min_images,
        model=restore(options) if options.checkpoint else None,
        lfw=pairs,
    )
    tables.show(report)
    _write(report, targets)
    if options.fix:
        quarantine = Quarantine.of(options.folder)
        moved = quarantine.move(report.suspects())
        undo = f"finetune doctor {options.folder} --undo moves them back"
        print(f"{moved} files moved to {quarantine.place}; {undo}" if moved else "no file to move")


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


def _pairs(options: argparse.Namespace) -> ImagePairs | None:
    from finetune.evaluation import read_pairs, resolve

    return resolve(read_pairs(options.pairs), options.lfw, "skip") if options.lfw else None


def _write(report: Report, targets: dict[str, Path]) -> None:
    from finetune.doctor import sheet
    from finetune.files import write_json

    if "json" in targets:
        write_json(targets["json"], report.to_json())
    if "sheet" in targets:
        print(sheet.write(report, targets["sheet"]))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 10**6):
        raise argparse.ArgumentTypeError(f"found {text!r}; give a whole number from 1")
    return int(text)
