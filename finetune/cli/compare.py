"""Compare the faces in two photos. With a gallery, decide whether they show the same person."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from finetune.cli.arguments import add_checkpoint, path, rate, restore_of
from finetune.errors import DataError, Problem, RecipeError
from finetune.paths import in_one_line
from finetune.progress import say, say_aside
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.gallery import Gallery


EXAMPLES = (
    "finetune compare a.png b.png --checkpoint ~/model",
    "finetune compare a.jpg b.jpg --align --gallery friends.h5",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two photos, and the basis of the decision."""
    parser.add_argument("first", metavar="A", help="first photo: an aligned face, or with --align any photo of a face")
    parser.add_argument("second", metavar="B", help="second photo, of the same kind")
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
    add_checkpoint(parser, optional=True)


def run(options: argparse.Namespace) -> None:
    """Print similarity and distance, then the decision, or the reason why there is none."""
    from finetune.gallery import Contract, read_gallery

    if options.gallery is None and options.checkpoint is None:
        raise RecipeError(Problem("", "nothing to embed with", "give --gallery or --checkpoint"))
    photos = [path(options.first), path(options.second)]
    for photo in photos:
        if photo.is_dir():
            raise DataError(Problem(in_one_line(photo), "a folder", "give a photo"))
    target = path(options.gallery) if options.gallery else None
    gallery = read_gallery(target) if target else None
    model = restore_of(options, gallery.contract if gallery is not None else None)
    from finetune.gallery import fitting, verify

    if gallery is not None and target is not None:
        fitting(gallery, Contract.of(model), target)
    if not options.align:
        from finetune.images import header_sizes, size_notes

        for photo in photos:
            for note in size_notes(header_sizes([photo]), model.preprocessing.image_size):
                say_aside(f"{note}; --align finds them")
    found = verify(photos[0], photos[1], model, align=options.align)
    say(
        f"cosine similarity {found.similarity:.4f}; squared Euclidean distance {found.distance:.4f}, "
        f"angle {found.angle:.1f} degrees"
    )
    say(_answer(found.similarity, gallery, options.far))


def _answer(similarity: float, gallery: Gallery | None, far: float) -> str:
    """Return whether two photos show the same person, or why there is no decision."""
    from finetune.gallery import pair_threshold

    if gallery is None:
        return "no answer without --gallery, whose people say how alike two people are"
    try:
        threshold = pair_threshold(gallery, far)
    except DataError as error:
        return f"no answer: {error}"
    answer, side = ("one person", "above") if similarity > threshold.value else ("two people", "not above")
    return (
        f"{answer}: {side} {threshold.value:.4f}, which {threshold.far:g} of pairs of two people exceed "
        f"(95 %: {threshold.low:.4f} to {threshold.high:.4f}; from {counted(threshold.strangers, 'person')})"
    )
