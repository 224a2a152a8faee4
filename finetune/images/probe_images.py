"""Probe images, on which the outputs of a network in two runtimes are compared."""

from __future__ import annotations

import dataclasses

import numpy as np

from finetune.images.channels import in_channels
from finetune.images.drawn_face import Identity
from finetune.images.drawn_photo import draw_face
from finetune.images.preprocessing import Preprocessing

DRAWN, NOISE = 32, 4
"""Numbers of probe images: drawn faces, and images of noise."""


def probes(preprocessing: Preprocessing) -> np.ndarray:
    """Return drawn faces, noise and flat images, uint8 [n, s, s, c]; every call returns the same."""
    image_size = preprocessing.image_size
    drawn = [
        np.asarray(draw_face(Identity.draw(np.random.default_rng([0, i])), image_size, np.random.default_rng([1, i])))
        for i in range(DRAWN)
    ]
    noise = np.random.default_rng(2).integers(0, 256, [NOISE, image_size, image_size, 3])
    flat = np.broadcast_to(np.array([0, 200, 255])[:, None, None, None], [3, image_size, image_size, 3])
    pixels = np.concatenate([np.stack(drawn), noise, flat]).astype(np.uint8)
    converted = dataclasses.replace(preprocessing, convert=True)
    return np.stack([in_channels(image, converted) for image in pixels])
