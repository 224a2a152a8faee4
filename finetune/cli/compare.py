"""Compare the faces in photos, each with each. With a gallery, decide which of them show the same person."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.arguments import add_checkpoint
from finetune.cli.restored import restore_of
from finetune.cli.values import path, rate, text_file
from finetune.errors import DataError, Problem, RecipeError
from finetune.paths import in_one_line
from finetune.progress import say, say_aside
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.arrays import Doubles
    from finetune.gallery import Gallery, Threshold


EXAMPLES = (
    "finetune compare a.png b.png --checkpoint ~/model",
    "finetune compare a.jpg b.jpg c.jpg --align --gallery friends.h5",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the photos, and the basis of the decision."""
    parser.add_argument("first", metavar="A", help="first photo: an aligned face, or with --align any photo of a face")
    parser.add_argument("second", metavar="B", help="second photo, of the same kind")
    parser.add_argument(
        "photos", metavar="MORE", nargs="*", default=[], help="more photos; all are then compared, as a matrix"
    )
    parser.add_argument(
        "--gallery", metavar="GALLERY", help="gallery whose people and strangers determine the threshold"
    )
    parser.add_argument("--align", action="store_true", help="find the faces first; each photo must show one face")
    parser.add_argument(
        "--far",
        type=rate,
        default=0.01,
        metavar="RATE",
        help="false accept rate: share of pairs of different people taken for the same person (default: 0.01)",
    )
    parser.add_argument("--csv", metavar="FILE", help="write the cosine similarities as a matrix")
    add_checkpoint(parser, optional=True)


def run(options: argparse.Namespace) -> None:
    """Print similarity and distance, or the matrix, then the decision, or the reason why there is none."""
    from finetune.gallery import Contract, read_gallery

    if options.gallery is None and options.checkpoint is None:
        raise RecipeError(Problem("", "nothing to embed with", "give --gallery or --checkpoint"))
    photos = [path(text) for text in (options.first, options.second, *options.photos)]
    for photo in photos:
        if photo.is_dir():
            raise DataError(Problem(in_one_line(photo), "a folder", "give a photo"))
    target = path(options.gallery) if options.gallery else None
    table = text_file(options.csv, (".csv",), *photos, *filter(None, [target])) if options.csv else None
    gallery = read_gallery(target) if target else None
    model = restore_of(options, gallery.contract if gallery is not None else None)
    from finetune.gallery import Comparison, fitting, similarities, write_matrix

    if gallery is not None and target is not None:
        fitting(gallery, Contract.of(model), target)
    if not options.align:
        from finetune.images import header_sizes, size_notes

        for photo in photos:
            for note in size_notes(header_sizes([photo]), model.preprocessing.image_size):
                say_aside(f"{note}; --align finds them")
    matrix = similarities(photos, model, align=options.align)
    if table:
        write_matrix(table, photos, matrix)
    threshold, reason = _threshold(gallery, options.far)
    if len(photos) > 2:
        _show_matrix(photos, matrix, threshold)
        say(reason or _basis(threshold))
        return
    found = Comparison(float(matrix[0, 1]))
    say(
        f"cosine similarity {found.similarity:.4f}; squared Euclidean distance {found.distance:.4f}, "
        f"angle {found.angle:.1f} degrees"
    )
    say(reason or _answer(found.similarity, threshold))


def _threshold(gallery: Gallery | None, far: float) -> tuple[Threshold | None, str]:
    """Return the threshold for two photos of one person, or the reason why there is none."""
    from finetune.gallery import pair_threshold

    if gallery is None:
        return None, "no answer without --gallery, whose people say how alike two people are"
    try:
        return pair_threshold(gallery, far), ""
    except DataError as error:
        return None, f"no answer: {error}"


def _answer(similarity: float, threshold: Threshold | None) -> str:
    """Return whether two photos show the same person."""
    assert threshold is not None  # otherwise there is a reason
    answer, side = ("one person", "above") if similarity > threshold.value else ("two people", "not above")
    return f"{answer}: {side} {_promise(threshold)}"


def _basis(threshold: Threshold | None) -> str:
    """Return what the marks of a matrix mean."""
    assert threshold is not None  # otherwise there is a reason
    return f"* one person: above {_promise(threshold)}"


def _promise(threshold: Threshold) -> str:
    return (
        f"{threshold.value:.4f}, which {threshold.far:g} of pairs of two people exceed "
        f"(95 %: {threshold.low:.4f} to {threshold.high:.4f}; from {counted(threshold.strangers, 'person')})"
    )


def _show_matrix(photos: Sequence[Path], matrix: Doubles, threshold: Threshold | None) -> None:
    """Print the cosine similarities as a table; pairs above the threshold are marked."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from finetune.progress import show

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("cosine similarity", no_wrap=True)
    for number in range(1, len(photos) + 1):
        table.add_column(str(number), justify="right", no_wrap=True)
    most = float("inf") if threshold is None else threshold.value
    for row, photo in enumerate(photos):
        marks = ["*" if value > most and column != row else " " for column, value in enumerate(matrix[row])]
        cells = [f"{value:.4f}{mark}" for value, mark in zip(matrix[row], marks, strict=True)]
        table.add_row(f"{row + 1} {in_one_line(photo)}", *cells)
    show(table)
