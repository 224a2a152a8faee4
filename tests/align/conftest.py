from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from finetune.images.drawn_face import Identity
from finetune.images.drawn_photo import draw_face


def drawn(number: int, size: int = 120) -> np.ndarray:
    """Draw a photo of one face, uint8 [size, size, 3]."""
    generator = np.random.default_rng([7, number])
    return np.array(draw_face(Identity.draw(generator), size, generator, variation=0.2))


def scene(faces: list[tuple[int, int, int]], height: int, width: int, seed: int = 0) -> np.ndarray:
    """Draw faces in front of soft colours, uint8 [height, width, 3].

    Args:
        faces: left, top and size of each.
    """
    generator = np.random.default_rng(seed)
    colours = Image.fromarray(generator.integers(60, 200, (4, 5, 3), dtype=np.uint8))
    photo = np.array(colours.resize((width, height), Image.Resampling.BICUBIC))
    for number, (left, top, size) in enumerate(faces):
        photo[top : top + size, left : left + size] = drawn(number, size)[: height - top, : width - left]
    return photo


@pytest.fixture(scope="session")
def detector():
    from finetune.align.detector import Detector

    return Detector()
