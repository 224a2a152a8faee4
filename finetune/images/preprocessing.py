"""Contract between a checkpoint and its input: image size, standardization and channels."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal, NamedTuple

from finetune import files
from finetune.backbones import (
    CHANNELS,
    STANDARDIZATIONS,
    Backbone,
    Channels,
    Standardization,
    find_published,
    find_published_file,
)
from finetune.errors import CheckpointError, Problem

Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
Runtime = Literal["tensorflow", "openvino"]
RUNTIMES: tuple[Runtime, ...] = ("tensorflow", "openvino")
"""Runtimes for a network in TensorFlow, which can be trained."""
EmbeddingRuntime = Literal["onnxruntime", "tensorflow", "openvino"]
EMBEDDING_RUNTIMES: tuple[EmbeddingRuntime, ...] = ("onnxruntime", *RUNTIMES)
"""Runtimes for embeddings."""
PREPROCESSING_FILE = "preprocessing.json"


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Conversion of pixels to the network's input.

    Attributes:
        image_size: side of the square input, in pixels; larger images are cropped centrally.
        standardization: standardization of the pixels, as `finetune.images.standardize` describes it.
        source: description of where these values come from.
        assumed: True if some of the values are an assumption.
        channels: `rgb` or `grey`. Grey images become RGB by three equal channels, as in the published code.
        convert: whether RGB images become grey (ITU-R 601) for a network that takes grey. Otherwise they are refused.
    """

    image_size: int = 160
    standardization: Standardization = "fixed"
    source: str = "given"
    assumed: bool = False
    channels: Channels = "rgb"
    convert: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and number of channels of the network's input."""
        return self.image_size, self.image_size, CHANNELS[self.channels]

    @property
    def words(self) -> str:
        """The image size, the channels if they are not RGB, and the standardization, in words."""
        converted = ", RGB images converted" if self.convert else ""
        grey = f" grey{converted}," if self.channels == "grey" else ""
        return f"{self.image_size} pixels,{grey} {self.standardization}"

    @property
    def in_full(self) -> str:
        """The preprocessing in one line, with its source."""
        return f"{self.image_size} x {self.words} standardization ({self.source})"

    def to_text(self) -> str:
        """Return the content of `preprocessing.json`, which lies beside a checkpoint."""
        return (
            json.dumps({key: getattr(self, key) for key in ("image_size", "standardization")} | self.of_channels) + "\n"
        )

    @property
    def of_channels(self) -> dict[str, object]:
        """The differences from RGB, by name: `channels`, and `convert` if it is true."""
        if self.channels == "rgb":
            return {}
        return {"channels": self.channels} | ({"convert": True} if self.convert else {})


def usual_preprocessing(backbone: Backbone, channels: Channels | None = None) -> Preprocessing:
    """Return the usual preprocessing of a network that is trained from scratch."""
    source = f"usual for {backbone.title}"
    return Preprocessing(backbone.image_size, backbone.standardization, source, channels=channels or backbone.channels)


class Choice(NamedTuple):
    """A recipe's or an option's choice of a network's input. None stands for what the checkpoint expects.

    Attributes:
        image_size: side of the input, in pixels.
        standardization: standardization of the pixels.
        convert: whether RGB images become grey for a network that takes grey.
    """

    image_size: int | None = None
    standardization: Standardization | None = None
    convert: bool | None = None


AS_EXPECTED = Choice()
"""No choice: all is as the checkpoint expects."""
USUAL = Preprocessing()
"""Usual preprocessing of FaceNet's networks."""


def resolve_preprocessing(
    folder: Path,
    name: str,
    choice: Choice = AS_EXPECTED,
    digests: Callable[[], Collection[str]] = tuple,
    usual: Preprocessing = USUAL,
) -> Preprocessing:
    """Return the preprocessing that a checkpoint expects.

    The chosen values come first, then `preprocessing.json`, then the known values of the published checkpoints, by name
    and by content, and then the network's usual values.

    Args:
        folder: folder of the checkpoint, which may hold `preprocessing.json`.
        name: name of the checkpoint, such as `model-20180402-114759.ckpt-275`; the folder's name is considered too.
        choice: values that the recipe or an option gives.
        digests: function that returns the SHA-256 of the checkpoint's files. It is called if nothing else is known.
        usual: usual preprocessing of the network, with the channels that the checkpoint has.

    Raises:
        CheckpointError: `preprocessing.json` exists but can't be used.
    """
    beside = _beside(folder / PREPROCESSING_FILE)
    whole = choice.image_size is not None and choice.standardization is not None
    found = Preprocessing() if whole else beside or _published(folder, name) or _published_file(digests())
    if found is None:
        source = "assumed; nothing beside the checkpoint says otherwise"
        found = dataclasses.replace(usual, source=source, assumed=True)
    convert = beside is not None and beside.convert
    return chosen(dataclasses.replace(found, channels=usual.channels, convert=convert), choice)


def chosen(found: Preprocessing, choice: Choice) -> Preprocessing:
    """Return a preprocessing with the chosen values in place of its own."""
    convert = found.convert if choice.convert is None else choice.convert
    found = dataclasses.replace(found, convert=convert and found.channels == "grey")
    size, standardization = choice.image_size, choice.standardization
    if size is None and standardization is None:
        return found
    given = "standardization" if size is None else "image_size"
    return dataclasses.replace(
        found,
        image_size=size or found.image_size,
        standardization=standardization or found.standardization,
        source="given" if size and standardization else f"{given} given, the rest {found.source}",
        assumed=found.assumed and not (size and standardization),
    )


def _beside(path: Path) -> Preprocessing | None:
    if not path.exists():
        return None
    try:
        stored = json.loads(files.read(path, files.SMALL))
        result = Preprocessing(
            stored["image_size"],
            stored["standardization"],
            PREPROCESSING_FILE,
            channels=stored.get("channels", "rgb"),
            convert=stored.get("convert", False) is True,
        )
    except OSError as error:
        raise CheckpointError(Problem(path, f"can't be read ({error.strerror})")) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        found = "not JSON with image_size and standardization"
        raise CheckpointError(Problem(path, found, "mend it or remove it")) from error
    known = result.standardization in STANDARDIZATIONS and result.channels in CHANNELS
    if type(result.image_size) is not int or not known:
        advice = (
            "image_size must be a whole number of pixels, standardization one of "
            f"{', '.join(STANDARDIZATIONS)}, and channels {' or '.join(CHANNELS)}"
        )
        raise CheckpointError(Problem(path, f"found {stored}", advice))
    return result


def _published(folder: Path, name: str) -> Preprocessing | None:
    model = find_published(folder, name)
    if model is None:
        return None
    return Preprocessing(model.image_size, model.standardization, f"the published model {model.name}")


def _published_file(digests: Collection[str]) -> Preprocessing | None:
    known = find_published_file(digests)
    if known is None:
        return None
    model, file = known
    return Preprocessing(model.image_size, model.standardization, f"{file} of {model.name}, by its digest")
