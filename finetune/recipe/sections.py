"""Smaller sections of a recipe, each in the form of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from finetune.backbones import LEAST_IMAGE_SIZE, Channels, Standardization
from finetune.recipe.camera import Camera
from finetune.schema import AnyPath, Fault, From0Below1, From0To1, From1, Range, Section, Unread, Wants


class PreprocessingSection(Section):
    """Input of the network, where the recipe overrides the checkpoint or what is usual for the network."""

    image_size: Annotated[int, Range(ge=LEAST_IMAGE_SIZE, of="a whole number of pixels")] | None = None
    """Side of the square input in pixels, at least what the network needs. Default: what the checkpoint expects."""
    standardization: Standardization | None = None
    """Standardization of the pixels x: `fixed` is (x - 127.5) / 128, `per_image` uses the mean and the deviation of
    each image, `unit` is x / 255, `symmetric` is x / 127.5 - 1, `imagenet` uses ImageNet's mean and deviation of each
    color, and `none` leaves x as it is. Default: what the checkpoint expects."""
    channels: Channels | None = None
    """`rgb` or `grey`, for training from scratch. Default: what is usual for the network."""
    convert: bool | None = None
    """Convert RGB images for a network that takes grey. Otherwise they are refused. Default: what the training of the
    checkpoint did."""

    def rules(self) -> Iterator[Fault]:
        """Yield the standardization that grey images don't have."""
        if self.channels == "grey" and self.standardization == "imagenet":
            yield Fault(("standardization",), "found 'imagenet' for grey images", "give unit or per_image")


class Neck(Section):
    """Layers between the features of a network of Keras's and the embedding."""

    widths: Annotated[str, Field(pattern=r"^[1-9]\d{0,4}(-([2-9]|[1-9]\d{1,4}))+$"), Wants("widths such as 768-128")]
    """Widths joined by `-`: that of the features, of hidden layers if any, each followed by ReLU, and of the
    embedding."""
    batch_norm: bool = True
    """Whether batch normalization follows each layer."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """The widths as numbers; none if they could not be read."""
        return tuple(map(int, self.widths.split("-"))) if self.widths else ()


class Filter(Section):
    """The published filter of noisy images, based on the restored checkpoint's embeddings."""

    percentile: Annotated[float, Range(gt=0, le=100, of="a percentile")]
    """Percentage of images to keep, above 0, at most 100. The images nearest to their class center are kept."""
    min_images_per_person: Annotated[int, Range(ge=0, of="a whole number")] = 0
    """Least number of remaining images. A person who lost an image and has fewer left is removed."""


_SHARE = "a share of the people above 0, below 1, or the path of a folder of people"


class Data(Section):
    """Training images, and the images and people that are held back."""

    train: AnyPath
    """Folder with one folder of images per person."""
    align: bool = False
    """Align the photos in `train` first, as `finetune align` does. The crops are kept in the user's cache."""
    validation_split: From0Below1 = 0.0
    """Share of each person's images that is held back, from 0, below 1. It is rounded up to whole images: 0.2 of 6
    images holds back 2. One image always remains to train on."""
    min_images_per_person: From1 = 1
    """Least number of images per person, from 1. People with fewer are left out."""
    strangers: Annotated[Annotated[float, Range(gt=0, lt=1)] | AnyPath, Wants(_SHARE)] | None = None
    """Held-out identities, which show what the stages cost people who are never trained on. Either a share of the
    people in `train`, above 0, below 1, or a folder of other people, aligned in the same way."""
    filter: Filter | None = None
    """Filter of noisy images. Default: none."""
    validation: AnyPath | None = None
    """Folder of images to validate on, in place of `validation_split`, with one folder per person. Its people must be
    in `train`, under the same names. It is aligned if `align` is true. Default: none."""
    share: Annotated[float, Range(gt=0, le=1, of="a share of the images")] | None = None
    """Share of the training images that each epoch draws, above 0, at most 1. Each epoch takes the next part, so that
    all images are seen in turn. Where a stage draws images with replacement, it limits the draws. Default: 1."""
    labels: Literal["none"] | None = None
    """`none`: nobody says who is in the images, which lie anywhere below `train`. Every stage then has `loss: none`,
    and the network gets no classifier. Default: each folder is named after the person in its images."""

    @property
    def validates(self) -> bool:
        """True if there are images to validate on."""
        return self.validation is not None or self.validation_split != 0

    def rules(self) -> Iterator[Fault]:
        """Yield the problem of two sources of validation images."""
        if self.validation and self.validation_split:
            yield Fault(("validation",), f"found it beside validation_split: {self.validation_split:g}", "drop one")
        if self.labels == "none":
            of_people = {
                "validation_split": self.validation_split,
                "min_images_per_person": self.min_images_per_person and self.min_images_per_person > 1,
                "strangers": isinstance(self.strangers, float),
                "filter": self.filter,
                "validation": self.validation,
            }
            for key in (key for key, asked in of_people.items() if asked):
                yield Fault((key,), "found it beside labels: none", "drop it, or give one folder of images per person")


Relative = Annotated[float, Range(ge=0, lt=1, of="a relative change")]


class Augment(Section):
    """Random changes of each training image in each epoch."""

    random_crop: bool = False
    """Crop at a random place instead of the center."""
    random_flip: bool = False
    """Mirror each image with a probability of one half."""
    random_rotate: Annotated[float, Range(ge=0, le=180, of="degrees")] = 0.0
    """Largest rotation to either side in degrees, from 0 to 180."""
    views: From1 | None = None
    """Number of versions to draw of each image, from 1. The epochs take them in turn, so the feature cache can keep
    their features. Default: a new version in each epoch."""
    random_shear: Annotated[float, Range(ge=0, le=45, of="degrees")] | None = None
    """Largest angle in degrees, from 0 to 45, by which upright lines lean to either side. Default: 0."""
    random_zoom: Relative | None = None
    """Largest relative change of all lengths, from 0, below 1: 0.2 scales the face by 0.8 to 1.2. Default: 0."""
    random_brightness: Relative | None = None
    """Largest relative change of the brightness, from 0, below 1: 0.2 multiplies all values by 0.8 to 1.2. Default:
    0."""
    random_contrast: Relative | None = None
    """Largest relative change of the contrast, from 0, below 1: 0.2 multiplies differences from the mean grey by 0.8 to
    1.2. Default: 0."""
    random_auto_contrast: From0To1 | None = None
    """Probability, from 0 to 1, of stretching each channel to the whole range from 0 to 255. Default: 0."""
    random_cutout: Annotated[float, Range(ge=0, lt=1, of="a share of the image's side")] | None = None
    """Largest side of a square that is erased, as a share of the image's side, from 0, below 1. The square is filled
    with the image's mean (DeVries and Taylor 2017, "Cutout"). Default: 0."""
    camera: Camera | None = None
    """Degradations as poor cameras make them, after all other changes. Default: none."""

    @property
    def draws(self) -> bool:
        """True if anything is random."""
        return any(self._drawn())

    def rules(self) -> Iterator[Fault]:
        """Yield the problem of `views` without any random change."""
        drawn = self._drawn()
        if self.views and not any(drawn) and Unread not in map(type, drawn):
            advice = "set random_flip, another key that begins with random_, or camera, or drop views"
            yield Fault(("views",), "no random augmentation is on, so all views would be the same", advice)

    def _drawn(self) -> list[object]:
        """Return the values of all keys of random changes."""
        drawn = [value for key, value in self if key.startswith("random_")]
        return [*drawn, self.camera and self.camera.draws]


class LFW(Section):
    """Measurement on Labeled Faces in the Wild, or on any pairs file in its format."""

    dir: AnyPath
    """Folder of aligned crops, `NAME/NAME_0001.png` or `.jpg`."""
    pairs: AnyPath
    """Path of the pairs file."""
    distance: Literal["euclidean", "cosine"] = "euclidean"
    """`euclidean` (squared), or `cosine` (the angle divided by π)."""
    subtract_mean: bool = False
    """Subtract the mean embedding of the other folds first."""
    flip: bool = False
    """Embed the mirrored image too, and concatenate the two embeddings."""
    missing: Literal["error", "skip"] = "error"
    """For a missing image, `error` ends the run and `skip` leaves out its pairs and counts them."""
    sample: Annotated[float, Range(gt=0, lt=1, of="a share of the pairs")] | None = None
    """Share of the pairs to measure, above 0, below 1. The same pairs are measured each time. Default: all."""
    groups: AnyPath | None = None
    """CSV file with the header `identity,GROUP` and one person per line, for error rates by group of people. A column
    may divide people by age, another by region."""


class Verification(Section):
    """Measurement of pairs within the stages. It changes no weights, and no stage is judged by it."""

    every: Annotated[int, Range(ge=1, of="a whole number of epochs")] = 1
    """Number of epochs from one measurement to the next, from 1. LFW's pairs, those of `measure` and the strangers' are
    measured."""


class History(Section):
    """Formats of the history that a run writes beside `history.csv`."""

    tensorboard: bool = False
    """Write scalars for TensorBoard, in the folder `tensorboard` of the run."""
    stat_h5: bool = False
    """Write `stat.h5`, as the published script does."""
