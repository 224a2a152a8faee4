"""Photos of drawn faces, with random pose, expression, light, background and noise."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from finetune.images.drawn_face import Expression, Identity, Points, face_shapes

OVERSAMPLING = 2
GREY = 128.0
DISTANCE = 6.0
"""Distance from the camera to the middle of the head, in head units."""


def draw_face(identity: Identity, size: int, generator: np.random.Generator, variation: float = 1.0) -> Image.Image:
    """Draw one photo of a person, with random pose, expression, light, background and noise.

    Args:
        identity: person to draw.
        size: side of the photo, in pixels.
        generator: source of randomness.
        variation: range of pose, light, background and noise, 0..1; expressions always vary fully.

    Returns:
        RGB image of size x size pixels; the head fills about two thirds of its height.
    """
    expression = Expression.draw(generator)
    shapes = list(face_shapes(identity, expression, GREY + variation * (generator.uniform(20, 235, 3) - GREY)))
    scale = OVERSAMPLING * size
    canvas = _background(generator, variation).resize((scale, scale), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(canvas)
    unit, outlines = _project([shape.points for shape in shapes], scale, generator, variation)
    for shape, outline in zip(shapes, outlines, strict=True):
        points = outline.ravel().tolist()
        colour = tuple(shape.colour.clip(0, 255).astype(int).tolist())
        if shape.width is None:
            pen.polygon(points, colour)
        else:
            pen.line(points, colour, max(1, round(shape.width * unit)), joint="curve")
    return _photograph(canvas.reduce(OVERSAMPLING), generator, variation)


def _project(
    outlines: list[Points], scale: int, generator: np.random.Generator, variation: float
) -> tuple[float, list[Points]]:
    """Project each outline [k, 3] to pixels [k, 2], with a random pose and camera.

    Returns:
        Size of a head unit in pixels, and the projected outlines.
    """
    yaw, pitch, roll = variation * generator.normal(0, [0.2, 0.1, 0.12]).clip(-0.4, 0.4)
    turn_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    turn_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    middle = scale * (0.5 + variation * generator.uniform(-0.06, 0.06, 2))
    unit = scale * (0.34 + variation * generator.uniform(-0.04, 0.04))
    turned = np.concatenate(outlines) @ (turn_z @ turn_x @ turn_y).T
    pixels = middle + unit * turned[:, :2] * DISTANCE / (DISTANCE - turned[:, 2:])
    return unit, np.split(pixels, np.cumsum([len(outline) for outline in outlines])[:-1])


def _background(generator: np.random.Generator, variation: float) -> Image.Image:
    """Draw 4 x 4 random colours, which the resizing makes soft."""
    colours = generator.integers(20, 236, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray((GREY + variation * (colours - GREY)).astype(np.uint8))


def _photograph(image: Image.Image, generator: np.random.Generator, variation: float) -> Image.Image:
    """Apply random blur, directional and coloured light, and sensor noise."""
    if generator.uniform() < 0.3 * variation:
        image = image.filter(ImageFilter.GaussianBlur(generator.uniform(0.4, 1.2)))
    size = image.width
    across = np.linspace(-1, 1, size, dtype=np.float32)
    side, top = (variation * generator.uniform(-0.4, 0.4, 2)).astype(np.float32)
    light = (1 + side * across[np.newaxis, :] + top * across[:, np.newaxis])[..., np.newaxis]
    tint = 1 + variation * (generator.uniform(0.55, 1.25) * generator.uniform(0.85, 1.15, 3) - 1)
    pixels = np.array(image, dtype=np.float32)
    pixels *= light
    pixels *= tint.astype(np.float32)
    pixels += variation * generator.uniform(2, 10) * generator.standard_normal((size, size, 1), dtype=np.float32)
    return Image.fromarray(pixels.clip(0, 255, out=pixels).astype(np.uint8))
