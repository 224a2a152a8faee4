"""Lists a gallery; renames, merges and removes people and photos; writes it out as .npz or .csv."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.arguments import MOST_LINES, new_file, path
from finetune.errors import Problem, RecipeError
from finetune.paths import in_one_line
from finetune.progress import say
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.gallery import Gallery

FORMATS = (".npz", ".csv")


class _Change(argparse.Action):
    """Adds a change, by the option's name, to those before it."""

    def __call__(self, _: object, options: argparse.Namespace, values: object, option: str | None = None) -> None:
        options.changes = [*options.changes, ((option or "").lstrip("-").replace("-", "_"), values)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The gallery and what to do with it."""
    parser.add_argument("gallery", metavar="GALLERY", help="a file that finetune enroll made")
    for change, names, about in (
        ("rename", ("OLD", "NEW"), "give a person another name"),
        ("merge", ("OTHER", "INTO"), "put the photos of one person under another's name"),
        ("remove", ("NAME",), "a person and all that is kept of them; changes are made in the order given"),
        ("remove-photo", ("PERSON/FILE",), "one photo; in place of FILE, the beginning of its sha256 will do"),
        ("move-photo", ("PERSON/FILE", "OTHER"), "put one photo under another person's name"),
        ("without-strangers", (), "remove all strangers"),
    ):
        parser.add_argument(
            f"--{change}",
            nargs=len(names),
            metavar=names or None,
            action=_Change,
            dest="changes",
            default=[],
            help=about,
        )
    parser.add_argument(
        "--export", metavar="FILE", help="names, files, digests and embeddings as .npz; without these last as .csv"
    )


def run(options: argparse.Namespace) -> None:
    """Print the people with their numbers of photos, after the changes; which files are gone; what it was made with."""
    from finetune.gallery import read_gallery, update, write_export

    target = path(options.gallery)
    gallery = read_gallery(target)
    out = _export(options.export, target) if options.export else None

    def change(now: Gallery | None) -> Gallery:
        changed = gallery if now is None else now
        for method, names in options.changes:
            changed = getattr(changed, method)(*names)
        return changed

    if options.changes:
        change(gallery)  # a wrong name is told before anything is locked or written
        gallery = update(target, change)
    if out:
        write_export(out, gallery)
        people = counted(len(gallery.people), "person")
        say(f"{counted(len(gallery), 'photo')} of {people} in {in_one_line(out)}")
        return
    for name, count in zip(gallery.people, gallery.counts().tolist(), strict=True):
        say(f"{count:>7,} {name}")
    strangers = len(set(gallery.stranger_labels.tolist()))
    contract = gallery.contract
    people, photos = counted(len(gallery.people), "person"), counted(len(gallery), "photo")
    say(f"{people}, {photos}; {counted(strangers, 'stranger')} to calibrate by")
    say(
        f"made with {in_one_line(contract.checkpoint)}, {contract.image_size} pixels, "
        f"{contract.standardization} standardization"
    )
    for line in _files(gallery):
        say(line)


def _files(gallery: Gallery) -> list[str]:
    """Say which photos are no longer the files that they were enrolled from: first who they are, then how many."""
    from finetune.gallery import on_disk

    states = on_disk(gallery)
    words = {"gone": "gone, it was {}", "changed": "has other content now in {}; enroll adds that too"}
    told = [(row, words[state]) for row, state in enumerate(states) if state in words]
    lines = [
        f"{gallery.photo_name(row)}: {text.format(in_one_line(os.fsdecode(gallery.photos.paths[row])))}"
        for row, text in told[:MOST_LINES]
    ]
    counts = [f"{counted(states.count(state), 'photo')} {state}" for state in words if state in states]
    if counts:
        lines.append(f"{' and '.join(counts)} since they were enrolled; --remove-photo PERSON/FILE removes one")
    if unknown := states.count("unknown"):
        lines.append(f"{counted(unknown, 'photo')} whose files nobody knows; enrolling their folders again notes them")
    return lines


def _export(text: str, gallery: Path) -> Path:
    out = new_file(text)
    if out.suffix not in FORMATS:
        raise RecipeError(Problem(out, "", f"give a file name that ends in {' or '.join(FORMATS)}"))
    if out.resolve() == gallery.resolve():
        raise RecipeError(Problem(out, "the gallery itself", "give another file"))
    return out
