"""Faces of which some were made worse in known ways, to see which of them are found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from finetune.align import Alignment, Faces, align, read_boxes
from finetune.images import Pixels, read_image
from finetune.images.perturbation import blur, brighten, shrink

WORSE: dict[str, tuple[Callable[[Pixels, float], Pixels], float, float]] = {
    "blurred": (blur, 3.0, 5.0),
    "tiny": (shrink, 16, 32),
    "dark": (brighten, 0.1, 0.25),
    "overexposed": (brighten, 2.0, 3.0),
}
"""Change of each kind, with the ends of its levels, for crops of 160 pixels."""


def plant(crops: Sequence[Path], each: int, seed: int = 1) -> dict[str, set[Path]]:
    """Make `each` crops worse in every way of `WORSE`, in place, and return them by kind."""
    draw = np.random.default_rng(seed)
    order = [crops[row] for row in draw.permutation(len(crops))]
    planted = {}
    for number, (kind, (change, low, high)) in enumerate(WORSE.items()):
        chosen = order[number * each : (number + 1) * each]
        for path in chosen:
            Image.fromarray(change(read_image(path), draw.uniform(low, high))).save(path)
        planted[kind] = set(chosen)
    return planted


def turn_away(boxes: Mapping[str, Faces], names: Sequence[str], seed: int = 1) -> dict[str, Faces]:
    """Return the boxes with the landmarks of some photos replaced by those of a head turned by 55 to 75 degrees.

    Each head has proportions of its own, and each landmark is some pixels off.
    """
    draw = np.random.default_rng(seed)
    return dict(boxes) | {name: dataclasses.replace(boxes[name], landmarks=_profile(draw)[None]) for name in names}


def _profile(draw: np.random.Generator) -> np.ndarray:
    """Return the landmarks of a turned head, [10], by trigonometry alone."""
    apart = draw.uniform(30, 60)  # pixels between the eyes
    across = apart * np.array([-0.5, 0.5, 0, -draw.uniform(0.35, 0.45), draw.uniform(0.35, 0.45)])
    below = apart * np.array([0, 0, draw.uniform(0.5, 0.7), 1.1, 1.1])
    towards = apart * np.array([0, 0, draw.uniform(0.45, 0.65), 0.1, 0.1])
    yaw = np.radians(draw.uniform(55, 75)) * draw.choice([-1, 1])
    x = across * np.cos(yaw) + towards * np.sin(yaw)
    return np.concatenate([100 + x, 90 + below]) + draw.normal(0, 0.02 * apart, 10)


def recall_and_precision(found: set[Path], right: set[Path], needed: set[Path] | None = None) -> tuple[float, float]:
    """Return recall and precision of the files that were found.

    Args:
        found: files that were found.
        right: files that may be found.
        needed: files that must be found; by default `right`.
    """
    needed = right if needed is None else needed
    return len(found & needed) / len(needed), len(found & right) / max(1, len(found))


def plant_in_lfw(lfw: Path, people: Sequence[str], root: Path, each: int, seed: int = 1) -> dict[str, set[Path]]:
    """Cut the first photo of some people of LFW by the published boxes, make some worse, and return them by kind.

    Args:
        lfw: folder with `images/` and `boxes.txt`.
        people: names of the people.
        root: folder to fill with `photos/` (links) and `crops/`.
        each: number of faces of each kind to make worse.
        seed: seed of the choice.
    """
    boxes = {}
    known = read_boxes(lfw / "boxes.txt")
    for name in people:
        photo = f"{name}/{name}_0001.jpg"
        if known[photo]:
            (root / "photos" / name).mkdir(parents=True)
            (root / "photos" / photo).symlink_to(lfw / "images" / photo)
            boxes[photo] = known[photo]
    turned = sorted(boxes)[::-1][:each]
    align(root / "photos", root / "crops", Alignment(), turn_away(boxes, turned, seed))
    crops = {name: root / "crops" / Path(name).with_suffix(".png") for name in boxes}
    planted = plant([crops[name] for name in boxes if name not in turned], each, seed)
    return planted | {"profile": {crops[name] for name in turned}}
