"""Contract between a checkpoint and its input: image size and standardization."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal

from finetune import files
from finetune.backbones import find_published, find_published_file
from finetune.errors import CheckpointError, Problem

Standardization = Literal["fixed", "per_image"]
STANDARDIZATIONS: tuple[Standardization, ...] = ("fixed", "per_image")
Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
Runtime = Literal["tensorflow", "openvino"]
RUNTIMES: tuple[Runtime, ...] = ("tensorflow", "openvino")
PREPROCESSING_FILE = "preprocessing.json"


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Conversion of pixels to the network's input.

    Attributes:
        image_size: side of the square input, in pixels; larger images are cropped centrally.
        standardization: `fixed` is (x - 127.5) / 128; `per_image` is (x - mean) / max(std, 1/sqrt(n))
            over the n values of one image, as in `tf.image.per_image_standardization`.
        source: description of where these values come from.
        assumed: True if some of the values are an assumption.
    """

    image_size: int = 160
    standardization: Standardization = "fixed"
    source: str = "given"
    assumed: bool = False

    def to_text(self) -> str:
        """Return the content of `preprocessing.json`, which lies beside a checkpoint."""
        return json.dumps({"image_size": self.image_size, "standardization": self.standardization}) + "\n"


def resolve_preprocessing(
    folder: Path,
    name: str,
    image_size: int | None = None,
    standardization: Standardization | None = None,
    digests: Callable[[], Collection[str]] = tuple,
) -> Preprocessing:
    """Return the preprocessing that a checkpoint expects.

    The given values come first, then `preprocessing.json`, then the known values of the published checkpoints, by name
    and by content, and then the defaults.

    Args:
        folder: folder of the checkpoint, which may hold `preprocessing.json`.
        name: name of the checkpoint, such as `model-20180402-114759.ckpt-275`; the folder's name is considered too.
        image_size: side of the input in pixels, if the recipe or an option gives it.
        standardization: standardization, if the recipe or an option gives it.
        digests: function that returns the SHA-256 of the checkpoint's files. It is called if nothing else is known.

    Raises:
        CheckpointError: `preprocessing.json` exists but can't be used.
    """
    beside = _beside(folder / PREPROCESSING_FILE)
    if image_size is not None and standardization is not None:
        return Preprocessing(image_size, standardization)
    found = beside or _published(folder, name) or _published_file(digests())
    if found is None:
        found = Preprocessing(source="assumed; nothing beside the checkpoint says otherwise", assumed=True)
    if image_size is None and standardization is None:
        return found
    given = "standardization" if image_size is None else "image_size"
    return dataclasses.replace(
        found,
        image_size=found.image_size if image_size is None else image_size,
        standardization=standardization or found.standardization,
        source=f"{given} given, the rest {found.source}",
    )


def _beside(path: Path) -> Preprocessing | None:
    if not path.exists():
        return None
    try:
        stored = json.loads(files.read(path, files.SMALL))
        result = Preprocessing(stored["image_size"], stored["standardization"], PREPROCESSING_FILE)
    except OSError as error:
        raise CheckpointError(Problem(path, f"can't be read ({error.strerror})")) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        found = "not JSON with image_size and standardization"
        raise CheckpointError(Problem(path, found, "mend it or remove it")) from error
    if type(result.image_size) is not int or result.standardization not in STANDARDIZATIONS:
        advice = f"image_size must be a whole number of pixels and standardization one of {', '.join(STANDARDIZATIONS)}"
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
