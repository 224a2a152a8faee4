"""List a gallery; rename, merge and remove people and photos; export it; go on with another checkpoint."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.arguments import MOST_LINES
from finetune.cli.migration import add_migration, migrate, refuse_migration_options
from finetune.cli.values import new_file, path
from finetune.errors import Problem, RecipeError
from finetune.paths import in_one_line
from finetune.progress import say
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.gallery import Gallery

FORMATS = (".npz", ".csv")


class _Change(argparse.Action):
    """An action that appends a change, named by its option, to the list of changes."""

    def __call__(self, _: object, options: argparse.Namespace, values: object, option: str | None = None) -> None:
        options.changes = [*options.changes, ((option or "").lstrip("-").replace("-", "_"), values)]


EXAMPLES = (
    "finetune gallery friends.h5 --rename Bob Robert",
    "finetune gallery friends.h5 --migrate runs/mine/2-last-block --output new.h5",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the gallery and the changes."""
    parser.add_argument("gallery", metavar="GALLERY", help="file made by finetune enroll")
    for change, names, about in (
        ("rename", ("OLD", "NEW"), "rename a person; all changes are made in the given order"),
        ("merge", ("OTHER", "INTO"), "move all photos of OTHER to the person INTO"),
        ("remove", ("NAME",), "remove a person and all their data"),
        (
            "remove-photo",
            ("PERSON/FILE",),
            "remove one photo; the gallery remembers that the face is not PERSON. FILE may be the beginning of its "
            "SHA-256",
        ),
        ("move-photo", ("PERSON/FILE", "OTHER"), "move one photo to the person OTHER"),
        ("take-back", ("PERSON/FILE",), "forget that a removed photo is not PERSON, so that it may be enrolled again"),
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
        "--export",
        metavar="FILE",
        help="write names, files and digests as .csv, or as .npz, which also holds the embeddings",
    )
    add_migration(parser)


def run(options: argparse.Namespace) -> None:
    """Make the changes; print the people with their numbers of photos, the missing files and the checkpoint."""
    from finetune.gallery import read_gallery, update, write_export

    refuse_migration_options(options)
    target = path(options.gallery)
    gallery = read_gallery(target)
    if options.migrate is not None:
        migrate(options, target, gallery)
        return
    out = _export(options.export, target) if options.export else None

    def change(now: Gallery | None) -> Gallery:
        changed = gallery if now is None else now
        for method, names in options.changes:
            changed = getattr(changed, method)(*names)
        return changed

    if options.changes:
        change(gallery)  # reports a wrong name before anything is locked or written
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
        f"made with {in_one_line(contract.checkpoint)}{f' ({contract.backbone})' if contract.backbone else ''}, "
        f"{contract.image_size} pixels, {contract.standardization} standardization"
    )
    if mapped := gallery.n_mapped:
        say(f"{counted(mapped, 'embedding')} mapped from another checkpoint, not computed by this one")
        for certificate in gallery.certificates:
            say(str(certificate))
    for line in (*_decisions(gallery), *_files(gallery)):
        say(line)


def _decisions(gallery: Gallery) -> list[str]:
    """Return lines about the removed faces, and about enrolled photos that are copies of one."""
    decisions = gallery.decisions
    lines = [f"not {decisions.people[row]}, as decided: {decisions.name(row)}" for row in range(len(decisions))]
    copies = [f"{gallery.photo_name(row)}: a copy of a face that was removed" for row in gallery.conflicts()]
    if copies:
        copies.append("finetune gallery --remove-photo removes such a copy")
    if lines:
        lines.append("finetune gallery --take-back PERSON/FILE takes a decision back")
    return [*lines, *copies[-MOST_LINES:]]


def _files(gallery: Gallery) -> list[str]:
    """Return lines about photos whose files are gone or changed since enrolment: first the photos, then totals."""
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
        notes = "enrolling their folders again notes them, except for faces cut by a box"
        lines.append(f"{counted(unknown, 'photo')} whose files are not noted; {notes}")
    return lines


def _export(text: str, gallery: Path) -> Path:
    out = new_file(text)
    if out.suffix not in FORMATS:
        raise RecipeError(Problem(out, "", f"give a file name that ends in {' or '.join(FORMATS)}"))
    if out.resolve() == gallery.resolve():
        raise RecipeError(Problem(out, "the gallery itself", "give another file"))
    return out
