"""A recipe's smaller sections, each as it stands in the file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from finetune.architecture import LEAST_IMAGE_SIZE
from finetune.images import STANDARDIZATIONS, Standardization
from finetune.recipe.checks import (
    ABOVE_0,
    FROM_0,
    FROM_0_BELOW_1,
    FROM_0_TO_1,
    PATH,
    TRUTH,
    Check,
    number,
    one_of,
    optional,
    whole,
)
from finetune.recipe.section import UNREAD, Problem, Section, section
from finetune.training import objectives


@dataclasses.dataclass(frozen=True)
class PreprocessingSection(Section):
    """What the recipe says of preprocessing; None leaves it to the checkpoint.

    Attributes:
        image_size: side of the network's square input, in pixels, from 75.
        standardization: `fixed` or `per_image`; see `finetune.images.preprocessing`.
    """

    image_size: Annotated[int | None, optional(whole(LEAST_IMAGE_SIZE, unit="pixels"))] = None
    standardization: Annotated[Standardization | None, optional(one_of(STANDARDIZATIONS))] = None


def _strangers(value: object) -> float | Path | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if 0 < value < 1 else None
    path: Path | None = PATH.read(value)
    return path


STRANGERS = Check("a share of the people above 0, below 1, or the path of a folder of people", _strangers)


@dataclasses.dataclass(frozen=True)
class Filter(Section):
    """The published filter of noisy data, by the restored checkpoint's embeddings.

    Attributes:
        percentile: of the images, those nearest to the centre of their class, that are kept; above 0, at most 100.
        min_images_per_person: people who lose an image and have fewer left are left out.
    """

    percentile: Annotated[float, number("a percentile above 0, at most 100", lambda x: 0 < x <= 100)]
    min_images_per_person: Annotated[int, whole(0)] = 0


@dataclasses.dataclass(frozen=True)
class Data(Section):
    """The images to train on.

    Attributes:
        train: a folder with one folder of images per person.
        align: whether these are photos, whose faces are found and cut first, as `finetune align` does; the crops are
            kept in the user's cache.
        validation_split: the share of each person's images that is held back, 0 ≤ share < 1.
        min_images_per_person: people with fewer images are left out.
        strangers: people who are never trained on, to see what the stages cost them: a share of the people in
            `train`, or a folder of others, aligned as they are.
        filter: which images are left out as noise.
    """

    train: Annotated[Path, PATH]
    align: Annotated[bool, TRUTH] = False
    validation_split: Annotated[float, FROM_0_BELOW_1] = 0.0
    min_images_per_person: Annotated[int, whole(1)] = 1
    strangers: Annotated[float | Path | None, optional(STRANGERS)] = None
    filter: Annotated[Filter | None, optional(section(Filter))] = None


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
        unread = UNREAD in (self.random_crop, self.random_flip, self.random_rotate)
        if self.views and not self.draws and not unread:
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
        sample: the share of the pairs that is measured, above 0, below 1, the same ones each time; None: all.
    """

    dir: Annotated[Path, PATH]
    pairs: Annotated[Path, PATH]
    distance: Annotated[Literal["euclidean", "cosine"], one_of(("euclidean", "cosine"))] = "euclidean"
    subtract_mean: Annotated[bool, TRUTH] = False
    flip: Annotated[bool, TRUTH] = False
    missing: Annotated[Literal["error", "skip"], one_of(("error", "skip"))] = "error"
    sample: Annotated[float | None, optional(number("a share of the pairs above 0, below 1", lambda x: 0 < x < 1))] = (
        None
    )


METRICS = {
    f"{pairs}_{figure}": (pairs, figure) for pairs in ("lfw", "strangers") for figure in ("accuracy", "val", "auc")
}
"""What a gate may judge by: which pairs, and which figure of theirs."""


@dataclasses.dataclass(frozen=True)
class Accept(Section):
    """When a stage is kept; else its weights are rolled back.

    Attributes:
        metric: the accuracy, the validation rate (`val`) or the area under the ROC curve (`auc`), on LFW's pairs
            (`lfw_accuracy`, …) or on those of `data.strangers` (`strangers_accuracy`, …).
        max_drop: how far the metric may fall, from 0 to 1.
        bound: what must not fall by more: the difference itself (`estimate`); the lower end of its 95 % interval, so
            that more harm is ruled out (`lower`); or the upper end, so that more harm must be shown (`upper`).
        otherwise: after the roll-back, `continue` with the next stage, `stop` the run, or `retry` the stage at a lower
            rate.
        retries: how often a stage is tried again, from 1; then the run continues.
        rate_factor: what each retry multiplies the learning rate by, above 0, below 1.
        since: what the stage is compared with: the weights that it started from (`previous`), or the restored
            checkpoint (`baseline`), so that the drops of several stages can't add up.
    """

    metric: Annotated[str, one_of(METRICS)]
    max_drop: Annotated[float, FROM_0_TO_1]
    bound: Annotated[Literal["estimate", "lower", "upper"], one_of(("estimate", "lower", "upper"))] = "estimate"
    otherwise: Annotated[Literal["continue", "stop", "retry"], one_of(("continue", "stop", "retry"))] = "continue"
    retries: Annotated[int | None, optional(whole(1))] = None
    rate_factor: Annotated[float | None, optional(number("a number above 0, below 1", lambda x: 0 < x < 1))] = None
    since: Annotated[Literal["previous", "baseline"], one_of(("previous", "baseline"))] = "previous"

    @property
    def pairs(self) -> str:
        """`lfw` or `strangers`; empty where the metric could not be read."""
        return METRICS[self.metric][0] if self.metric else ""

    @property
    def figure(self) -> str:
        """`accuracy`, `val` or `auc`."""
        return METRICS[self.metric][1]

    @property
    def attempts(self) -> int:
        """How often a stage is trained at the most."""
        return 1 + (self.retries or 1) if self.otherwise == "retry" else 1

    @property
    def slower(self) -> float:
        """What a retry multiplies the learning rate by: 0.1 where the recipe is silent."""
        return self.rate_factor or 0.1

    def _across(self) -> Iterable[Problem]:
        if self.otherwise in ("continue", "stop"):
            for name in ("retries", "rate_factor"):
                if getattr(self, name):
                    yield Problem(
                        (name,), f"found it with otherwise: {self.otherwise}; give otherwise: retry, or drop it"
                    )


@dataclasses.dataclass(frozen=True)
class PrelogitsNorm(Section, objectives.PrelogitsNorm):
    """The published script's penalty on prelogits: factor times the mean p-norm of each image's.

    Attributes:
        factor: its weight in the loss, from 0 (none).
        p: the order of the norm, above 0.
    """

    factor: Annotated[float, FROM_0] = 0.0
    p: Annotated[float, ABOVE_0] = 1.0


@dataclasses.dataclass(frozen=True)
class CenterLoss(Section, objectives.CenterLoss):
    """The pull of each image's prelogits to the centre of its class (Wen et al. 2016), as the published script has it.

    Attributes:
        factor: its weight in the loss, from 0 (none).
        alfa: how much of a centre a batch leaves, from 0, below 1; each of its images moves it by 1 - alfa.
    """

    factor: Annotated[float, FROM_0] = 0.0
    alfa: Annotated[float, FROM_0_BELOW_1] = 0.95
