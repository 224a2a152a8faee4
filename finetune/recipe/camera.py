"""The degradations of a camera in a recipe, each with the range from which it is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, PlainValidator

from finetune.schema import Fault, From0To1, Range, Section, Unread, Wants, faults, read
from finetune.words import listed


def _two(number: Any) -> PlainValidator:
    """Return the reader of a range: two numbers of a type, the lower one first."""

    def read_two(value: object) -> Any:
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise ValueError
        low, high = pair = tuple(read(part, number) for part in value)
        if unread := [*faults(pair)]:
            return Unread(*unread)
        if low > high:
            return Unread(Fault((), f"found {low:g} before {high:g}", "give the lower number first"))
        return pair

    return PlainValidator(read_two, Annotated[list[number], Field(min_length=2, max_length=2)])


def _such_as(example: str) -> Wants:
    return Wants(f"two numbers, the lower one first, such as {example}")


Pair = tuple[float, float]
WholePair = tuple[int, int]
AnyShare = Annotated[bool | From0To1, Wants("true, false, or a probability from 0 to 1")]
AnyLight = Annotated[Pair, _two(Annotated[float, Range(gt=0, le=1, of="a share of the light")]), _such_as("[0.3, 1]")]
AnyLength = Annotated[Pair, _two(Annotated[float, Range(ge=0, le=100, of="a number of pixels")]), _such_as("[0, 7]")]
AnyBlur = Annotated[Pair, _two(Annotated[float, Range(ge=0, le=50, of="a number of pixels")]), _such_as("[0, 2]")]
AnySide = Annotated[
    WholePair, _two(Annotated[int, Range(ge=4, le=4096, of="a whole number of pixels")]), _such_as("[16, 64]")
]
AnyNoise = Annotated[
    Pair, _two(Annotated[float, Range(ge=0, le=128, of="a number of grey levels")]), _such_as("[0, 10]")
]
AnyGamma = Annotated[Pair, _two(Annotated[float, Range(ge=0.1, le=10, of="an exponent")]), _such_as("[0.7, 1.5]")]
AnyQuality = Annotated[WholePair, _two(Annotated[int, Range(ge=1, le=100, of="a whole number")]), _such_as("[20, 60]")]


class Camera(Section):
    """Degradations of each training image, as poor cameras make them.

    They are applied in the order of the keys. A range is two numbers, from which each image's value is drawn uniformly.
    """

    mask: From0To1 | None = None
    """Probability, from 0 to 1, of a mask over the lower face: the lowest 0.3 to 0.5 of the rows are filled with the
    mean of each channel. Default: 0."""
    low_light: AnyLight | None = None
    """Range of the share of the light that is left, above 0, at most 1. All values are multiplied by it. Gaussian noise
    follows, of 12 grey levels times the share of the light that is missing. Default: all light."""
    motion: AnyLength | None = None
    """Range of the length of a motion blur in pixels, from 0 to 100, at a drawn angle. Default: none."""
    blur: AnyBlur | None = None
    """Range of the standard deviation of a Gaussian blur in pixels, from 0 to 50. Default: none."""
    resolution: AnySide | None = None
    """Range of the side in pixels, from 4 to 4096, to which the face is made smaller, then enlarged again; bicubic both
    times. An image that is no larger stays as it is. Default: none."""
    noise: AnyNoise | None = None
    """Range of the standard deviation of Gaussian noise in grey levels, from 0 to 128. Default: none."""
    grey: AnyShare | None = None
    """Remove the colors (ITU-R 601-2): `true` for every image, or a probability from 0 to 1. Default: `false`."""
    gamma: AnyGamma | None = None
    """Range of an exponent, from 0.1 to 10: 255 (v / 255) ** gamma replaces each value v. Above 1, the image gets
    darker. Default: 1."""
    jpeg: AnyQuality | None = None
    """Range of the quality, from 1 to 100, in which the image is compressed as JPEG. Default: no compression."""
    share: From0To1 | None = None
    """Probability, from 0 to 1, that an image is degraded at all. The others stay as they are, so that the embeddings
    of good photos are held too. Default: 1."""

    @property
    def draws(self) -> bool:
        """True if any image is degraded."""
        return self.share != 0 and any(value for key, value in self if key != "share")

    def rules(self) -> Iterator[Fault]:
        """Yield the problem of a section without any degradation."""
        kinds = [key for key in Camera.model_fields if key != "share"]
        if not self.faults and all(getattr(self, key) is None for key in kinds):
            yield Fault((), "no degradation in it", f"give {listed(kinds, 'or')}, or drop it")
