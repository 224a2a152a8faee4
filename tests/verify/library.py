"""A library of photos with several faces, copies, people seen once and blurred faces, made from LFW's photos."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from common import SHARED
from PIL import Image

from finetune.clustering import Done, Settings, bcubed, cluster_photos, is_poor
from finetune.gallery import Contract
from finetune.images import read_image
from finetune.images.perturbation import blur
from finetune.model import Model

SIDE = 250
"""Side of LFW's photos in pixels; its person stands in the middle."""
TILED, ACROSS, COPIES, ONCE, BLURRED = 60, 3, 30, 60, 40
COPY = "copy of "


@dataclasses.dataclass
class Planted:
    """Photos of a library, by their names.

    Attributes:
        people: people of each photo, from left to right.
        copies: name of the photo that each copy was saved anew from.
        once: photos of people with no other photo.
        blurred: photos with a blurred face.
    """

    people: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    copies: dict[str, str] = dataclasses.field(default_factory=dict)
    once: set[str] = dataclasses.field(default_factory=set)
    blurred: set[str] = dataclasses.field(default_factory=set)


def plant(folder: Path, seed: int = 1) -> Planted:
    """Write the photos of a library into a folder, under names that say nothing."""
    draw, planted = np.random.default_rng(seed), Planted()
    lfw = SHARED / "lfw"
    learn = (lfw / "learn.txt").read_text().split()
    photos = [path for name in learn for path in sorted((lfw / "images" / name).iterdir())[:8]]
    photos = [photos[row] for row in draw.permutation(len(photos))]
    alone = [
        name for name in (lfw / "novel.txt").read_text().split() if len(list((lfw / "images" / name).iterdir())) == 1
    ]

    def add(sources: list[Path], pixels: np.ndarray) -> str:
        name = f"{len(planted.people):04d}.jpg"
        Image.fromarray(pixels).save(folder / name, quality=92)
        planted.people[name] = [source.parent.name for source in sources]
        return name

    for _ in range(TILED):
        chosen: list[Path] = []
        while len(chosen) < ACROSS:
            photo = photos.pop()
            if photo.parent.name in {path.parent.name for path in chosen}:
                photos.insert(0, photo)
            else:
                chosen.append(photo)
        add(chosen, np.concatenate([read_image(path) for path in chosen], axis=1))
    for path in [photos.pop() for _ in range(BLURRED)]:
        planted.blurred.add(add([path], blur(read_image(path), draw.uniform(4, 6))))
    for number, path in enumerate(photos):
        name = add([path], read_image(path))
        if number < COPIES:
            planted.copies[add([path], read_image(folder / name))] = name
            shutil.copy(folder / name, folder / f"{COPY}{name}")
    for name in draw.choice(alone, ONCE, replace=False).tolist():
        [path] = (lfw / "images" / name).iterdir()
        planted.once.add(add([path], read_image(path)))
    return planted


def planted_library() -> tuple[list[str], object]:
    """Cluster a library of planted photos, with detection, and tell what became of each kind of photo."""
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place) / "photos", Path(place) / "out"
        folder.mkdir()
        planted = plant(folder)
        model = Model.restore(SHARED / "facenet")
        settings = Settings(str(folder), True, 20, 0.001, None, None, Contract.of(model))
        done = cluster_photos(out, settings, lambda: model)
    return told(planted, done)


def told(planted: Planted, done: Done) -> tuple[list[str], object]:
    """Return the figures of a planted library."""
    faces = done.people.faces
    known: dict[tuple[str, int], tuple[str, int, str]] = {}  # photo and tile: person, cluster, why apart
    in_photo: Counter[tuple[str, int]] = Counter()
    for line in done.lines:
        if line.row is None or not faces.numbers[line.row]:
            continue
        if line.cluster:
            in_photo[line.photo, line.cluster] += 1
        left, top, right, bottom = faces.boxes[line.row].tolist()
        tile, middle = divmod((left + right) / 2, SIDE)
        people = planted.people.get(line.photo, [])
        near = abs(middle - SIDE / 2) < 40 and abs((top + bottom) / 2 - SIDE / 2) < 40 and right - left > 50
        if near and tile < len(people):  # others are bystanders, whose names LFW does not tell
            known[line.photo, int(tile)] = (people[int(tile)], line.cluster, line.apart)
    kept = {key: value for key, value in known.items() if value[1] or value[2] == "single"}
    people = np.unique([person for person, *_ in kept.values()], return_inverse=True)[1].astype(np.int64)
    clusters = np.array([cluster or -1 - place for place, (_, cluster, _) in enumerate(kept.values())], np.int64)
    figures = bcubed(people, clusters)
    copies = [
        (known[one, 0][1], known[other, 0][1])
        for one, other in planted.copies.items()
        if {(one, 0), (other, 0)} <= known.keys() and not all(is_poor(known[name, 0][2]) for name in (one, other))
    ]
    cluster_of = {line.photo: line.cluster for line in done.lines}
    exact = [name for name in cluster_of if name.startswith(COPY)]
    agreeing = sum(cluster_of[name] == cluster_of[name.removeprefix(COPY)] for name in exact)
    once = [known[name, 0][2] == "single" for name in planted.once if (name, 0) in known]
    blurred = [is_poor(known[name, 0][2]) for name in planted.blurred if (name, 0) in known]
    counts = {
        "photos": len(done.photos),
        "faces": len(known),
        "faces good enough to cluster": len(kept),
        "pairs of faces of one photo in one cluster": sum(n - 1 for n in in_photo.values()),
        "copies saved anew, in the cluster of their photo": f"{sum(a == b > 0 for a, b in copies)} of {len(copies)}",
        "exact copies in the cluster of their photo": f"{agreeing} of {len(exact)}",
        "people seen once who are apart": f"{sum(once)} of {len(once)}",
        "blurred faces told as poor": f"{sum(blurred)} of {len(blurred)}",
        "precision": round(figures.precision, 4),
        "recall": round(figures.recall, 4),
        "F": round(figures.f, 4),
        "wrong pairs": round(figures.merged, 5),
    }
    lines = ["| what | figure |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in counts.items())]
    return lines, counts
