"""Drawn faces: an identity is the constant look of a person, an expression varies between photos.

A face is a list of shapes in head units. The origin is the middle of the head, which is two units tall. The axes are
x to the right, y down, and z toward the camera.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Colour = npt.NDArray[np.float64]

SKIN = np.array([[255, 222, 196], [238, 190, 150], [205, 150, 105], [150, 100, 66], [95, 62, 44]], float)
HAIR = np.array([[28, 22, 20], [70, 44, 26], [128, 80, 40], [205, 165, 95], [165, 62, 30], [190, 188, 184]], float)
IRIS = np.array([[80, 50, 25], [60, 105, 165], [70, 120, 70], [120, 120, 125]], float)
TURN = np.linspace(0, 2 * np.pi, 33)[:-1]


@dataclass(frozen=True)
class Identity:
    """Constant look of a person: lengths in head units, colours in RGB from 0 to 255, and relative values."""

    head_width: float
    jaw: float
    skin: Colour
    hair: Colour
    hairline: float
    hair_volume: float
    long_hair: bool
    parting: float
    eye_distance: float
    eye_size: float
    eye_height: float
    eye_slant: float
    iris: Colour
    brow_thickness: float
    brow_slant: float
    nose_length: float
    nose_width: float
    mouth_width: float
    mouth_height: float
    lip_thickness: float
    lips: Colour
    glasses: float | None
    beard: float | None
    moustache: bool

    @classmethod
    def draw(cls, generator: np.random.Generator) -> Identity:
        """Draw a random person."""
        between = generator.uniform
        skin, hair = _mix(SKIN, generator), _mix(HAIR, generator)
        return cls(
            head_width=between(0.66, 0.88),
            jaw=between(0.0, 1.0),
            skin=skin,
            hair=hair,
            hairline=between(-0.85, -0.4),
            hair_volume=between(0.02, 0.3),
            long_hair=bool(between() < 0.4),
            parting=between(-0.6, 0.6),
            eye_distance=between(0.27, 0.4),
            eye_size=between(0.1, 0.17),
            eye_height=between(-0.22, 0.0),
            eye_slant=between(-0.3, 0.3),
            iris=_mix(IRIS, generator),
            brow_thickness=between(0.02, 0.085),
            brow_slant=between(-0.35, 0.35),
            nose_length=between(0.28, 0.5),
            nose_width=between(0.08, 0.2),
            mouth_width=between(0.2, 0.4),
            mouth_height=between(0.48, 0.62),
            lip_thickness=between(0.03, 0.1),
            lips=skin * between(0.6, 0.85) * [1.1, 0.7, 0.72],
            glasses=between(2.0, 5.0) if between() < 0.3 else None,
            beard=between(0.3, 0.75) if between() < 0.3 else None,
            moustache=bool(between() < 0.2),
        )


@dataclass(frozen=True)
class Expression:
    """Expression of a face in one photo: shares from 0 to 1, but smile and gaze from -1 to 1."""

    smile: float
    mouth_open: float
    eyes_open: float
    brows_raised: float
    gaze: float

    @classmethod
    def draw(cls, generator: np.random.Generator) -> Expression:
        """Draw a random expression."""
        return cls(
            smile=generator.uniform(-0.6, 1.0),
            mouth_open=max(0.0, generator.uniform(-0.6, 1.0)),
            eyes_open=generator.uniform(0.45, 1.0),
            brows_raised=generator.uniform(),
            gaze=generator.uniform(-1.0, 1.0),
        )


@dataclass(frozen=True)
class Shape:
    """Filled outline, or a line if `width` (in head units) is given."""

    points: Points
    colour: Colour
    width: float | None = None


def _mix(palette: Colour, generator: np.random.Generator) -> Colour:
    """Return a random colour between two neighbours of a palette."""
    position = generator.uniform(0, len(palette) - 1)
    low = int(position)
    return palette[low] + (position - low) * (palette[low + 1] - palette[low])


def _ellipse(x: float, y: float, width: float, height: float, z: float = 0.0) -> Points:
    return np.stack([x + width * np.cos(TURN), y + height * np.sin(TURN), np.full_like(TURN, z)], axis=1)


def _curve(x: Points, y: Points, z: float | Points = 0.0) -> Points:
    return np.stack(np.broadcast_arrays(x, y, z), axis=1).astype(float)


def face_shapes(face: Identity, expression: Expression, clothes: Colour) -> Iterator[Shape]:
    """Yield the shapes of head, hair and shoulders, from back to front."""
    shadow = 0.8 * face.skin
    outline = _head(face)
    hair_width = face.head_width + 0.08 + 0.5 * face.hair_volume
    if face.long_hair:
        yield Shape(_ellipse(0, 0.15, hair_width, 1.2 + face.hair_volume, -0.3), 0.85 * face.hair)
    yield Shape(_ellipse(0, 2.05, 1.5, 0.85, -0.2), clothes)
    yield Shape(_ellipse(0, 1.1, 0.55 * face.head_width, 0.5, -0.2), shadow)
    for side in (-1, 1):
        yield Shape(_ellipse(side * face.head_width, 0.02, 0.1, 0.2), shadow)
    yield Shape(outline, face.skin)
    if face.beard is not None:
        yield _beard(face, outline)
    yield _hair(face)
    for side in (-1, 1):
        yield from _eye(face, expression, side)
    yield from _nose(face)
    yield from _mouth(face, expression)
    if face.glasses is not None:
        yield from _glasses(face)


def _head(face: Identity) -> Points:
    """Return the outline of the head: oval above, and between a pointed chin and a square jaw below."""
    x, y = np.cos(TURN), np.sin(TURN)
    power = np.where(y > 0, 1.0 - 0.45 * face.jaw, 1.0)
    taper = 1 - 0.3 * (1 - face.jaw) * np.clip(y, 0, None) ** 2
    return _curve(face.head_width * np.sign(x) * np.abs(x) ** power * taper, y)


def _surface(face: Identity, x: Points | float, y: Points | float) -> Points:
    """Return z of the front of the head."""
    return 0.7 * np.sqrt(np.clip(1 - (np.asarray(x) / face.head_width) ** 2 - np.asarray(y) ** 2, 0, None))


def _hair(face: Identity) -> Shape:
    around = np.linspace(np.pi * 1.02, np.pi * 1.98, 20)
    outer_x = (face.head_width + 0.05 + 0.3 * face.hair_volume) * np.cos(around)
    outer_y = (1.02 + face.hair_volume) * np.sin(around)
    inner_x = np.linspace(0.97, -0.97, 15) * face.head_width
    swept = 0.5 * np.abs(inner_x / face.head_width - face.parting) ** 1.5
    inner_y = np.minimum(face.hairline + swept, 0.1)
    x, y = np.concatenate([outer_x, inner_x]), np.concatenate([outer_y, inner_y])
    z = np.concatenate([np.zeros(20), _surface(face, inner_x, inner_y)])
    return Shape(_curve(x, y, z), face.hair)


def _eye(face: Identity, expression: Expression, side: int) -> Iterator[Shape]:
    x, y, size = side * face.eye_distance, face.eye_height, face.eye_size
    z = float(_surface(face, x, y))
    opening = 0.65 * size * expression.eyes_open
    white = _ellipse(x, y, size, opening, z)
    white[:, 1] += face.eye_slant * side * (white[:, 0] - x)
    yield Shape(white, np.array([245.0, 245.0, 240.0]))
    iris = x + 0.3 * size * expression.gaze
    yield Shape(_ellipse(iris, y, 0.5 * size, min(opening, 0.5 * size), z), face.iris)
    yield Shape(_ellipse(iris, y, 0.25 * size, min(opening, 0.25 * size), z), np.full(3, 15.0))
    lid = white[np.r_[16:32, 0]]
    yield Shape(lid, 0.35 * face.skin, 0.025)
    along = np.linspace(-1.25, 1.25, 7)
    arch = y - 1.5 * size - 0.1 * expression.brows_raised + 0.05 * along**2
    brow = _curve(x + size * along, arch + face.brow_slant * side * size * along, z)
    yield Shape(brow, 0.75 * face.hair, face.brow_thickness)


def _nose(face: Identity) -> Iterator[Shape]:
    top, bottom, width = face.eye_height + 0.05, face.eye_height + face.nose_length, face.nose_width
    x = np.array([0.15, 0.3, 1.0, 0.8, -0.8, -1.0, -0.3, -0.15]) * width
    y = np.array([top, top, bottom - 0.06, bottom, bottom, bottom - 0.06, top, top])
    z = np.array([0.65, 0.65, 0.75, 0.8, 0.8, 0.75, 0.65, 0.65])
    yield Shape(_curve(x, y, z), 0.9 * face.skin)
    for side in (-1, 1):
        yield Shape(_ellipse(side * 0.5 * width, bottom - 0.02, 0.25 * width, 0.025, 0.8), 0.45 * face.skin)


def _mouth(face: Identity, expression: Expression) -> Iterator[Shape]:
    along = np.linspace(-1, 1, 11)
    x = along * face.mouth_width * (1 + 0.15 * expression.smile)
    middle = face.mouth_height - 0.12 * expression.smile * along**2
    z = _surface(face, x, face.mouth_height)
    opening = 0.16 * expression.mouth_open * (1 - along**2)
    lip = face.lip_thickness * (1 - along**2)
    if face.moustache:
        moustache = np.concatenate([middle - 0.06 - 0.09 * (1 - along**2), (middle - 0.03)[::-1]])
        yield Shape(_curve(np.r_[x, x[::-1]], moustache, np.r_[z, z[::-1]]), 0.8 * face.hair)
    edges = np.concatenate([middle - lip, (middle + opening + 1.3 * lip)[::-1]])
    yield Shape(_curve(np.r_[x, x[::-1]], edges, np.r_[z, z[::-1]]), face.lips)
    inside = np.concatenate([middle, (middle + opening + 0.012)[::-1]])
    yield Shape(_curve(np.r_[x, x[::-1]], inside, np.r_[z, z[::-1]]), np.array([70.0, 22.0, 25.0]))


def _beard(face: Identity, outline: Points) -> Shape:
    """Return the beard: the lower edge of the head, up to a line through the cheeks."""
    lower = outline[:17]
    inner_x = np.linspace(-1, 1, 11) * face.head_width
    inner_y = face.mouth_height - face.beard * (inner_x / face.head_width) ** 2 + 0.12  # type: ignore[operator]
    x, y = np.concatenate([lower[:, 0], inner_x]), np.concatenate([lower[:, 1], inner_y])
    return Shape(_curve(x, y, np.r_[np.zeros(17), _surface(face, inner_x, inner_y)]), 0.8 * face.hair)


def _glasses(face: Identity) -> Iterator[Shape]:
    frame = np.full(3, 35.0)
    power = 2 / face.glasses  # type: ignore[operator]
    x, y = np.cos(TURN), np.sin(TURN)
    rim_x, rim_y = (0.85 * face.eye_distance * np.sign(v) * np.abs(v) ** power for v in (x, y))
    for side in (-1, 1):
        rim = _curve(side * face.eye_distance + rim_x, face.eye_height + 0.8 * rim_y, 0.8)
        yield Shape(np.concatenate([rim, rim[:1]]), frame, 0.035)
    bridge = 0.15 * face.eye_distance
    yield Shape(_curve(np.array([-bridge, bridge]), np.full(2, face.eye_height), 0.8), frame, 0.035)
