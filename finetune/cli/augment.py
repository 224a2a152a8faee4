"""Draw a sheet of training images, each as it is and as the first epochs of a recipe augment it.

With --camera, a table compares the medians of simple figures: of the clean images, of the augmented ones, and of photos
of the camera that the recipe imitates.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.arguments import add_recipe, load_recipe, say_left_out
from finetune.cli.values import path, text_file, whole_number
from finetune.errors import DataError, Problem, RecipeError
from finetune.paths import find_images
from finetune.progress import say, show
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.images import Appearance, Preprocessing
    from finetune.runs import TrainingImages

EXAMPLES = (
    "finetune augment recipes/camera.yaml sheet.png",
    "finetune augment my.yaml sheet.png data.train=~/faces --camera ~/phone",
)
MOST = 200
"""Largest number of images from which a column of the table is computed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe, the sheet, the overrides, and what to show."""
    add_recipe(parser, {"out": ("OUT.png", "PNG to write")})
    parser.add_argument(
        "--people",
        type=whole_number(1, 50),
        default=6,
        metavar="N",
        help="largest number of people on the sheet, one image of each (default: 6)",
    )
    parser.add_argument(
        "--epochs",
        type=whole_number(1, 20),
        default=5,
        metavar="N",
        help="number of epochs, each with its view of every image (default: 5)",
    )
    parser.add_argument(
        "--camera",
        metavar="FOLDER",
        help="aligned faces from the camera that the recipe imitates, to compare figures with",
    )


def run(options: argparse.Namespace) -> None:
    """Write the sheet, and print its line and the table."""
    recipe = load_recipe(options)
    if not recipe.augment.draws:
        advice = "set random_flip, another key that begins with random_, or camera"
        raise RecipeError(Problem(f"{options.recipe} augment", "no random augmentation is on", advice))
    camera = path(options.camera) if options.camera else None
    target = text_file(options.out, (".png",), recipe.data.train, *([camera] if camera else []))
    photos = find_images(camera) if camera else []
    from finetune.runs import TrainingImages, write_preview

    images = TrainingImages(recipe)
    real = _of_camera(photos, images.preprocessing, options.camera) if camera else []
    preview = images.preview(images.of_people(options.people), options.epochs)
    write_preview(preview, target)
    say(f"{target}: {counted(len(preview.clean), 'image')}, as they are and in {counted(len(preview.views), 'epoch')}")
    if camera:
        _show_figures(images, real)


def _of_camera(photos: Sequence[Path], preprocessing: Preprocessing, where: str) -> list[Appearance]:
    """Return the figures of some of the camera's photos, cropped as a network sees them.

    Raises:
        DataError: no photo can be used.
    """
    from finetune.dataset import Quarantined
    from finetune.images import appearance_of, input_batches

    bad: dict[Path, str] = {}
    chosen = photos[:: -(-len(photos) // MOST)]
    batches = input_batches(chosen, preprocessing, 32, bad, "photos")
    found = [appearance_of(pixels) for _, batch in batches for pixels in batch]
    reasons = sorted(bad.items())  # threads read the photos, in any order
    if not found:
        first, why = reasons[0]
        raise DataError(
            Problem(where, f"no usable photo in it; the first is {first}: {why}", "align them: finetune align")
        )
    say_left_out([Quarantined(photo, why) for photo, why in reasons])
    return found


def _show_figures(images: TrainingImages, real: list[Appearance]) -> None:
    """Print the medians of clean and augmented training images beside the camera's."""
    from finetune.images import appearance_of
    from finetune.report import appearance_table

    preview = images.preview(images.some(MOST), 1)
    groups = {"clean": preview.clean, "augmented": preview.views[0]}
    figures = {name: [appearance_of(pixels) for pixels in group] for name, group in groups.items()}
    show(appearance_table(figures | {"camera": real}))
