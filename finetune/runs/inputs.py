"""Everything that a run reads, opened and checked before the first step."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from typing import TypeVar

from finetune.dataset.scan import Dataset, Scan, scan
from finetune.dataset.split import split
from finetune.errors import UserError
from finetune.evaluation import ImagePairs, LFWResult, measure, read_pairs, resolve
from finetune.model import Model
from finetune.preprocessing import Preprocessing
from finetune.recipe import LFW, Recipe

Opened = TypeVar("Opened")


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What a recipe names, opened.

    Attributes:
        recipe: the settings.
        model: restored, with a fresh head for the people of `scan`.
        scan: the training folder.
        train, validation: its images, parted; `validation` is empty where nothing is held back.
        image_pairs: the LFW pairs and their images, or None.
    """

    recipe: Recipe
    model: Model
    scan: Scan
    train: Dataset
    validation: Dataset
    image_pairs: ImagePairs | None

    @classmethod
    def open(cls, recipe: Recipe) -> Inputs:
        """Opens them all.

        Raises:
            UserError: some can't be used; one line for every problem of every input.
        """
        problems: list[str] = []

        def attempt(opening: Callable[[], Opened]) -> Opened | None:
            try:
                return opening()
            except UserError as error:
                problems.extend(error.problems)
                return None

        # Restored once with its own head, for what it expects of images, and again for the people.
        found = attempt(lambda: restore(recipe, None))
        crop = found.preprocessing.image_size if found else recipe.preprocessing.image_size
        minimum = recipe.data.min_images_per_person
        scanned = attempt(lambda: scan(recipe.data.train, min_images_per_person=minimum, crop=crop))
        lfw = recipe.lfw
        pairs = attempt(lambda: open_pairs(lfw)) if lfw else None
        if found is None or scanned is None or problems:
            raise UserError(*problems)
        model = restore(recipe, scanned.dataset.class_names)
        train, validation = split(scanned.dataset, recipe.data.validation_split, recipe.seed)
        return cls(recipe, model, scanned, train, validation, pairs)

    @property
    def preprocessing(self) -> Preprocessing:
        """The checkpoint's."""
        return self.model.preprocessing

    def measure(self) -> LFWResult | None:
        """LFW with the model's weights as they are now; None where the recipe names no pairs."""
        if self.image_pairs is None or self.recipe.lfw is None:
            return None
        return measure_model(self.model, self.image_pairs, self.recipe.lfw)

    def data_summary(self) -> dict[str, object]:
        """Counts, what was left out and why, and a digest of the images' names."""
        root = self.scan.dataset.root
        names = "\n".join(path.relative_to(root).as_posix() for path in self.scan.dataset.paths)
        return {
            "people": len(self.scan.dataset.class_names),
            "train_images": len(self.train),
            "validation_images": len(self.validation),
            "quarantined": {str(entry.path): entry.reason for entry in self.scan.quarantined},
            "left_out": list(self.scan.left_out),
            "names_sha256": hashlib.sha256(names.encode()).hexdigest(),
        }


def open_pairs(lfw: LFW) -> ImagePairs:
    """The pairs that a recipe's `lfw` section, or `validate`'s options, name."""
    return resolve(read_pairs(lfw.pairs), lfw.dir, lfw.missing)


def measure_model(model: Model, image_pairs: ImagePairs, lfw: LFW) -> LFWResult:
    """A model's result on pairs under a section's settings."""
    return measure(
        lambda paths, flip: model.embed(paths, flip=flip),
        image_pairs,
        distance=lfw.distance,
        subtract_mean=lfw.subtract_mean,
        flip=lfw.flip,
    )


def restore(recipe: Recipe, class_names: tuple[str, ...] | None) -> Model:
    """The recipe's checkpoint, with a fresh head for `class_names` where they are given."""
    section = recipe.preprocessing
    return Model.restore(
        recipe.checkpoint,
        class_names=class_names,
        seed=recipe.seed,
        image_size=section.image_size,
        standardization=section.standardization,
    )
