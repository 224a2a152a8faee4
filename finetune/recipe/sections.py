"""A recipe's smaller sections, each as it stands in the file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from finetune.architecture import LEAST_IMAGE_SIZE
from finetune.preprocessing import STANDARDIZATIONS, Standardization
from finetune.recipe.checks import (
    ABOVE_0,
    FROM_0,
    FROM_0_BELOW_1,
    FROM_0_TO_1,
    PATH,
    TRUTH,
    number,
    one_of,
    optional,
    whole,
)
from finetune.recipe.section import Problem, Section


@dataclasses.dataclass(frozen=True)
class PreprocessingSection(Section):
    """What the recipe says of preprocessing; None leaves it to the checkpoint.

    Attributes:
        image_size: side of the network's square input, in pixels, from 75.
        standardization: `fixed` or `per_image`; see `finetune.preprocessing`.
    """

    image_size: Annotated[int | None, optional(whole(LEAST_IMAGE_SIZE, unit="pixels"))] = None
    standardization: Annotated[Standardization | None, optional(one_of(STANDARDIZATIONS))] = None


@dataclasses.dataclass(frozen=True)
class Data(Section):
    """The images to train on.

    Attributes:
        train: a folder with one folder of images per person.
        align: whether these are photos, whose faces are found and cut first, as `finetune align` does; the crops are
            kept in the user's cache.
        validation_split: the share of each person's images that is held back, 0 ≤ share < 1.
        min_images_per_person: people with fewer images are left out.
    """

    train: Annotated[Path, PATH]
    align: Annotated[bool, TRUTH] = False
    validation_split: Annotated[float, FROM_0_BELOW_1] = 0.0
    min_images_per_person: Annotated[int, whole(1)] = 1


@dataclasses.dataclass(frozen=True)
class Augment(Section):
    """What is drawn anew for each training image in each epoch.

    Attributes:
        random_crop: a crop at a random place, where it is otherwise central.
        random_flip: mirrored or not, at even odds.
        random_rotate: the largest angle, in degrees from 0 to 180, to either side.
        views: how many versions of each image are drawn, which the epochs take in turn, so that what the
            frozen units give for them can be kept; None: a new one in each epoch.
    """

    random_crop: Annotated[bool, TRUTH] = False
    random_flip: Annotated[bool, TRUTH] = False
    random_rotate: Annotated[float, number("degrees from 0 to 180", lambda x: 0 <= x <= 180)] = 0.0
    views: Annotated[int | None, optional(whole(1))] = None

    @property
    def draws(self) -> bool:
        """Whether anything is drawn at all."""
        return bool(self.random_crop or self.random_flip or self.random_rotate)

    def _across(self) -> Iterable[Problem]:
        if self.views and not self.draws:
            text = "nothing is drawn that could differ; set random_crop, random_flip or random_rotate, or drop views"
            yield Problem(("views",), text)


@dataclasses.dataclass(frozen=True)
class LFW(Section):
    """How Labeled Faces in the Wild, or any pairs file in its form, is measured.

    Attributes:
        dir: aligned crops, `NAME/NAME_0001.png` or `.jpg`.
        pairs: the pairs file.
        distance: `euclidean` (squared) or `cosine` (the angle over pi).
        subtract_mean: subtract the mean embedding of the other folds first.
        flip: embed the mirrored image too, and put the two embeddings side by side.
        missing: whether a missing image is an error, or its pairs are skipped and counted.
    """

    dir: Annotated[Path, PATH]
    pairs: Annotated[Path, PATH]
    distance: Annotated[Literal["euclidean", "cosine"], one_of(("euclidean", "cosine"))] = "euclidean"
    subtract_mean: Annotated[bool, TRUTH] = False
    flip: Annotated[bool, TRUTH] = False
    missing: Annotated[Literal["error", "skip"], one_of(("error", "skip"))] = "error"


@dataclasses.dataclass(frozen=True)
class Accept(Section):
    """When a stage is kept; else its weights are rolled back.

    Attributes:
        metric: `lfw_accuracy`, `lfw_val` (the validation rate) or `lfw_auc`.
        max_drop: how far the metric may fall in the stage, from 0 to 1.
    """

    metric: Annotated[Literal["lfw_accuracy", "lfw_val", "lfw_auc"], one_of(("lfw_accuracy", "lfw_val", "lfw_auc"))]
    max_drop: Annotated[float, FROM_0_TO_1]


@dataclasses.dataclass(frozen=True)
class PrelogitsNorm(Section):
    """The published script's penalty on prelogits: factor times the mean p-norm of each image's.

    Attributes:
        factor: its weight in the loss, from 0 (none).
        p: the order of the norm, above 0.
    """

    factor: Annotated[float, FROM_0] = 0.0
    p: Annotated[float, ABOVE_0] = 1.0
