"""Quality of a face's picture, by its pixels alone: sharpness, effective resolution and exposure."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from finetune.images import Pixels

SIDE = 96
"""Side in pixels to which a crop is scaled before it is measured. Crops of any size are therefore comparable, and a
small face that was enlarged is a blurred one."""
FACE = slice(SIDE * 3 // 16, SIDE * 13 // 16)
"""Central five eighths of the side, which lie within the face; background and hair hardly count."""
DARK = 25
"""Luminance up to which a pixel is dark, as in ISO/IEC 29794-5 for faces."""
BLOWN = 253
"""Value of the brightest channel from which a pixel is blown: its color, and soon its detail, is lost. Compression
moves the values of clipped pixels by some levels below 255."""
HIGHLIGHTS = 95
"""Percentile of the luminance that stands for the bright parts of a face."""
DETAIL = 0.9
"""Share of the energy of a picture's gradient below the frequency that gives the effective resolution."""

Grey = npt.NDArray[np.float32]


class PixelQuality(NamedTuple):
    """Measures of one crop, from its pixels.

    Attributes:
        sharpness: variance of the Laplacian divided by the variance of the luminance, both of the face, from 0.
        resolution: effective resolution, the side in pixels that holds the crop's detail, from 0 to `SIDE`.
        luminance: mean luminance of the face, 0 to 255.
        contrast: standard deviation of the face's luminance.
        highlights: luminance that 5 percent of the face's pixels exceed.
        dark: share of the face's pixels with a luminance up to 25, 0 to 1.
        blown: share of the face's pixels with a channel from 253, 0 to 1.
    """

    sharpness: float
    resolution: float
    luminance: float
    contrast: float
    highlights: float
    dark: float
    blown: float


def measure_appearance(pixels: Pixels) -> PixelQuality:
    """Measure an aligned face.

    Args:
        pixels: crop, RGB, uint8 [height, width, 3].
    """
    grey = _scaled(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))  # luminance of ITU-R BT.601
    face = grey[FACE, FACE]
    red, green, blue = cv2.split(pixels)
    variance = float(face.var())
    edges = cv2.Laplacian(grey, cv2.CV_32F)[FACE, FACE]
    return PixelQuality(
        sharpness=float(edges.var()) / variance if variance >= 1 else 0.0,  # a face of one grey level shows no edge
        resolution=resolution(grey),
        luminance=float(face.mean()),
        contrast=variance**0.5,
        highlights=float(np.percentile(face, HIGHLIGHTS)),
        dark=float((face <= DARK).mean()),
        blown=float((_scaled(np.maximum(np.maximum(red, green), blue))[FACE, FACE] >= BLOWN).mean()),
    )


def _scaled(plane: npt.NDArray[Any]) -> Grey:
    """Return one channel of a crop, scaled to `SIDE`, float32 [SIDE, SIDE]."""
    kind = cv2.INTER_AREA if min(plane.shape) > SIDE else cv2.INTER_CUBIC
    return np.clip(cv2.resize(plane.astype(np.float32), (SIDE, SIDE), interpolation=kind), 0, 255)


def resolution(grey: Grey) -> float:
    """Estimate the side in pixels at which a square picture still holds its detail.

    In natural images the power falls with the square of the frequency (Field, 1987). The energy of their gradient is
    therefore spread evenly over the frequencies that were sampled. The frequency below which `DETAIL` of that energy
    lies, divided by `DETAIL`, estimates the highest one. It takes two pixels per period to show it. Faces of LFW that
    were made smaller, to 16, 24 and 32 pixels, and enlarged again have medians of 18, 25 and 33.

    Args:
        grey: luminance, float32 [SIDE, SIDE].
    """
    window, radius, order = _frequencies()
    power = np.abs(np.fft.rfft2((grey - grey.mean()) * window)) ** 2
    energy = np.cumsum((power * radius**2).ravel()[order])
    if energy[-1] <= 0:
        return 0.0
    place = int(np.searchsorted(energy, DETAIL * energy[-1]))
    return float(min(2 * radius.ravel()[order[place]] / DETAIL, SIDE))


@functools.cache
def _frequencies() -> tuple[Grey, npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Return the window, the periods per side of each value of the spectrum, and the values' order by them."""
    hann = np.hanning(SIDE)
    down, right = np.fft.fftfreq(SIDE, 1 / SIDE), np.fft.rfftfreq(SIDE, 1 / SIDE)
    radius = np.hypot(down[:, np.newaxis], right)  # [SIDE, SIDE // 2 + 1]
    return np.outer(hann, hann).astype(np.float32), radius, np.argsort(radius.ravel(), kind="stable")
