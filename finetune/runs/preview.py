"""Preview of the augmented images that a recipe trains on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from finetune import files
from finetune.dataset import Dataset, Drawing, EvaluationBatches, view_batches
from finetune.doctor import Thumbnails
from finetune.images import Pixels, Preprocessing, Records, refuse_colors
from finetune.recipe import Recipe
from finetune.runs.data import open_data
from finetune.runs.opening import build, open_weights
from finetune.runs.selection import without_noise, without_strangers
from finetune.runs.validation import open_validation

BATCH = 32
GAP, FONT = 8, 14
PAPER, INK = "#ffffff", "#202124"


class Preview(NamedTuple):
    """Training images as they are, and in the views of the first epochs of the first stage.

    Attributes:
        clean: central crops, uint8 [n, s, s, c].
        views: views of the same images, epoch by epoch.
    """

    clean: Pixels
    views: tuple[Pixels, ...]


class TrainingImages:
    """Training images of a recipe, without those that are held back or held out.

    Args:
        recipe: recipe whose checkpoint and training folder are opened.

    Attributes:
        dataset: training images, with the indices that a run gives them.
        preprocessing: preprocessing of the checkpoint.

    Raises:
        UserError: the checkpoint or the training folder can't be used.
    """

    def __init__(self, recipe: Recipe) -> None:

        def inspect(paths: Sequence[Path]) -> Records:
            return Thumbnails(paths).records

        self._recipe, weights = recipe, open_weights(recipe)
        self.preprocessing: Preprocessing = weights.preprocessing
        crop = self.preprocessing.image_size
        everybody = open_data(recipe, crop, inspect)
        refuse_colors(everybody.dataset.paths, self.preprocessing, recipe.data.train)
        selection = without_strangers(recipe, everybody, crop, inspect)
        selection = without_noise(recipe, selection, lambda: build(recipe, weights))
        selection = selection.with_validation(open_validation(recipe, everybody, crop, inspect))
        self.dataset: Dataset = selection.split(recipe.data.validation_split, recipe.seed)[0]

    def of_people(self, n: int) -> np.ndarray:
        """Return the index of the first image of each of up to `n` people, who are evenly spaced by name."""
        return _spread(np.unique(self.dataset.labels, return_index=True)[1], n)

    def some(self, n: int) -> np.ndarray:
        """Return the indices of up to `n` images, which are evenly spaced."""
        return _spread(np.arange(len(self.dataset)), n)

    def preview(self, indices: np.ndarray, views: int) -> Preview:
        """Return images as they are, and as the first epochs of the first stage draw them.

        Args:
            indices: indices of the images.
            views: number of epochs. With `augment.views`, further epochs would repeat the first ones.

        Raises:
            RunError: an image can no longer be read.
        """
        recipe, paths = self._recipe, self.dataset.paths
        chosen = [paths[index] for index in indices]
        clean = _pixels(EvaluationBatches(chosen, preprocessing=self.preprocessing, batch_size=BATCH))
        drawn = (
            view_batches(
                paths,
                indices,
                preprocessing=self.preprocessing,
                augment=recipe.augment,
                batch_size=BATCH,
                key=Drawing(recipe.seed, 1, epoch).key(recipe.augment),
            )
            for epoch in range(1, 1 + min(views, recipe.augment.views or views))
        )
        return Preview(clean, tuple(map(_pixels, drawn)))


def write_preview(preview: Preview, target: Path) -> None:
    """Write a PNG with one row per image: the image as it is, then its views.

    Raises:
        RunError: the file can't be written.
    """
    columns = [preview.clean, *preview.views]
    size, top = preview.clean.shape[1], FONT + 2 * GAP
    cell = size + GAP
    sheet = Image.new("RGB", (GAP + cell * len(columns), top + cell * len(preview.clean)), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT)
    for column, images in enumerate(columns):
        left = GAP + cell * column
        draw.text((left, GAP), f"epoch {column}" if column else "clean", INK, font)
        for row, pixels in enumerate(images):
            face = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
            sheet.paste(face, (left, top + cell * row))
    files.write(target, lambda file: sheet.save(file, "PNG"))


def _spread(indices: np.ndarray, n: int) -> np.ndarray:
    """Return up to `n` of the indices, evenly spaced."""
    places = np.linspace(0, len(indices) - 1, min(n, len(indices)))
    return indices[places.round().astype(np.int64)]


def _pixels(batches: Iterable[Any]) -> Pixels:
    return np.concatenate([np.asarray(batch) for batch in batches])
