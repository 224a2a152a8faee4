"""A recipe's smaller sections, each as it stands in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from finetune.backbones import LEAST_IMAGE_SIZE
from finetune.images import Standardization
from finetune.schema import AnyPath, Fault, From0Below1, From0To1, From1, Range, Section, Unread, Wants


class PreprocessingSection(Section):
    """What the network's input is like, where the recipe says it in place of the checkpoint."""

    image_size: Annotated[int, Range(ge=LEAST_IMAGE_SIZE, of="a whole number of pixels")] | None = None
    """Side of the square input in pixels, from 75. Default: what the checkpoint expects."""
    standardization: Standardization | None = None
    """`fixed` or `per_image`. Default: what the checkpoint expects."""


class Filter(Section):
    """The published filter of noisy data, by the restored checkpoint's embeddings."""

    percentile: Annotated[float, Range(gt=0, le=100, of="a percentile")]
    """Percentage of the images that is kept, those nearest to the center of their class; above 0, at most 100."""
    min_images_per_person: Annotated[int, Range(ge=0, of="a whole number")] = 0
    """People who lose an image and have fewer left are left out."""


_SHARE = "a share of the people above 0, below 1, or the path of a folder of people"


class Data(Section):
    """The images to train on."""

    train: AnyPath
    """Folder with one folder of images per person."""
    align: bool = False
    """Whether these are photos, whose faces `finetune align` must cut first; the user's cache keeps the crops."""
    validation_split: From0Below1 = 0.0
    """Share of each person's images that is held back, from 0, below 1."""
    min_images_per_person: From1 = 1
    """People with fewer images are left out; from 1."""
    strangers: Annotated[Annotated[float, Range(gt=0, lt=1)] | AnyPath, Wants(_SHARE)] | None = None
    """People who are never trained on, to see what the stages cost them: a share of the people in `train`, above 0,
    below 1, or a folder of others, aligned as they are."""
    filter: Filter | None = None
    """Which images are left out as noise. Default: none."""


class Augment(Section):
    """What is drawn anew for each training image in each epoch."""

    random_crop: bool = False
    """Whether the crop lies at a random place, where it is otherwise central."""
    random_flip: bool = False
    """Whether images are mirrored, at even odds."""
    random_rotate: Annotated[float, Range(ge=0, le=180, of="degrees")] = 0.0
    """The largest angle to either side in degrees, from 0 to 180."""
    views: From1 | None = None
    """Number of versions that are drawn of each image, from 1. The epochs take them in turn, so that what the frozen
    units give for them can be kept. Default: a new version in each epoch."""

    @property
    def draws(self) -> bool:
        """Whether anything is drawn at all."""
        return bool(self.random_crop or self.random_flip or self.random_rotate)

    def rules(self) -> Iterator[Fault]:
        """Yield the problem of views that nothing varies."""
        drawn = (self.random_crop, self.random_flip, self.random_rotate)
        if self.views and not any(drawn) and Unread not in map(type, drawn):
            advice = "set random_crop, random_flip or random_rotate, or drop views"
            yield Fault(("views",), "nothing is drawn that could differ", advice)


class LFW(Section):
    """How Labeled Faces in the Wild, or any pairs file in its form, is measured."""

    dir: AnyPath
    """Folder of aligned crops, `NAME/NAME_0001.png` or `.jpg`."""
    pairs: AnyPath
    """The pairs file."""
    distance: Literal["euclidean", "cosine"] = "euclidean"
    """`euclidean` (squared), or `cosine` (the angle over π)."""
    subtract_mean: bool = False
    """Whether the mean embedding of the other folds is subtracted first."""
    flip: bool = False
    """Whether the mirrored image is embedded too, and the two embeddings are put side by side."""
    missing: Literal["error", "skip"] = "error"
    """Whether a missing image is an error, or its pairs are skipped and counted."""
    sample: Annotated[float, Range(gt=0, lt=1, of="a share of the pairs")] | None = None
    """Share of the pairs that is measured, above 0, below 1, the same ones each time. Default: all."""


class Accept(Section):
    """When a stage is kept; else its weights are rolled back."""

    metric: Literal["lfw_accuracy", "lfw_val", "lfw_auc", "strangers_accuracy", "strangers_val", "strangers_auc"]
    """Accuracy, validation rate (`val`) or area under the ROC curve (`auc`), on LFW's or the strangers' pairs."""
    max_drop: From0To1
    """How far the metric may fall, from 0 to 1."""
    bound: Literal["estimate", "lower", "upper"] = "estimate"
    """What must not fall by more: the difference itself (`estimate`); the lower end of its 95 % interval, so that more
    harm is ruled out (`lower`); or the upper end, so that more harm must be shown (`upper`)."""
    otherwise: Literal["continue", "stop", "retry"] = "continue"
    """After the roll-back, `continue` with the next stage, `stop` the run, or `retry` the stage at a lower rate."""
    retries: From1 | None = None
    """How often a stage is tried again, from 1; then the run continues. Default: once."""
    rate_factor: Annotated[float, Range(gt=0, lt=1)] | None = None
    """Factor of the learning rate in each retry, above 0, below 1. Default: 0.1."""
    since: Literal["previous", "baseline"] = "previous"
    """What the stage is compared with: the weights that it started from (`previous`), or the restored checkpoint
    (`baseline`), so that the drops of several stages can't add up."""

    @property
    def pairs(self) -> str:
        """`lfw` or `strangers`; empty where the metric could not be read."""
        return self.metric.split("_")[0] if self.metric else ""

    @property
    def figure(self) -> str:
        """`accuracy`, `val` or `auc`."""
        return self.metric.split("_")[1]

    @property
    def attempts(self) -> int:
        """How often a stage is trained at the most."""
        return 1 + (self.retries or 1) if self.otherwise == "retry" else 1

    @property
    def slower(self) -> float:
        """What a retry multiplies the learning rate by."""
        return self.rate_factor or 0.1

    def rules(self) -> Iterator[Fault]:
        """Yield the problems of keys that need retries."""
        for key in ("retries", "rate_factor"):
            if self.otherwise in ("continue", "stop") and getattr(self, key):
                found = f"found it with otherwise: {self.otherwise}"
                yield Fault((key,), found, "give otherwise: retry, or drop it")


class History(Section):
    """The forms in which a run keeps its history, beside `history.csv`."""

    tensorboard: bool = False
    """Whether scalars for TensorBoard are written, in the run's folder `tensorboard`."""
    stat_h5: bool = False
    """Whether `stat.h5` is written, as the published script writes it."""
