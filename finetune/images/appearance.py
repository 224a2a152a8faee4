"""Simple figures of how an image looks: its light, its contrast, and how much of it is sharp."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from finetune.images.camera import to_grey
from finetune.images.reading import Pixels

FINE = 0.25
"""Frequency in cycles per pixel above which detail is fine: half of the highest that pixels can show."""


class Appearance(NamedTuple):
    """Figures of one image, all of its grey values from 0 to 255.

    Attributes:
        brightness: mean.
        contrast: standard deviation.
        sharpness: variance of the Laplacian (Pech-Pacheco et al. 2000). Noise raises it too.
        fine_detail: share of the power, without the mean, at frequencies above `FINE`, from 0 to 1.
    """

    brightness: float
    contrast: float
    sharpness: float
    fine_detail: float


def appearance_of(pixels: Pixels) -> Appearance:
    """Compute the figures of an image, uint8 [height, width, 3] or [height, width, 1]. Compare images of one size."""
    grey = to_grey(pixels)[..., 0].astype(np.float64)
    power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2  # [height, width]
    rows, columns = (np.fft.fftfreq(n) for n in grey.shape)
    fine = np.hypot(rows[:, np.newaxis], columns) > FINE
    share = power[fine].sum() / max(power.sum(), 1e-9)
    return Appearance(*map(float, (grey.mean(), grey.std(), cv2.Laplacian(grey, cv2.CV_64F).var(), share)))
