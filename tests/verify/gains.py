"""Gains on people never seen: strangers before a poor camera, before and after training on degraded photos.

Trained are the people of `learn.txt`, and those of `pairs.txt` whom neither `novel.txt` nor a pair of strangers names,
with five images or more. Measured are the other novel people, whom neither the checkpoint nor the training has seen: on
all their pairs of one person and on drawn pairs of two, of degraded photos and of clean ones. Training without labels
can have people too: those whom `finetune cluster` finds in the same photos.

To measure another way of training, add a row to a case of `CASES`; another camera, a case.
"""

from __future__ import annotations

import collections
import functools
import itertools
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import OUT, SHARED, crops, write
from PIL import Image
from stranger_pairs import Pairs, balanced, draw_pairs, identified, interval, judge

from finetune import FineTuner, Model, Recipe, cli
from finetune.dataset.degradation import Degradation
from finetune.embedding import Embedder
from finetune.recipe import Camera
from finetune.training import Trainer

PLACE = OUT / "gains"
SEEDS = tuple(map(int, os.environ.get("GAINS_SEEDS", "1,2,3").split(",")))
Embeddings = dict[str, np.ndarray]
LEAST = 5
"""Fewest images of a person to train on."""


FOUND = "without labels, on the people whom finetune cluster finds"
SOFTMAX: dict[str, object] = {"name": "softmax", "label_smoothing": 0.1}
FIRST: dict[str, object] = {
    "train_from": "Conv2d_1a_3x3",
    "train_to": "Repeat",
    "epochs": 6,
    "distillation": {"factor": 100, "of": "view"},
}
"""Training of the first units alone, toward the embedding of the same crop before the camera."""
AS_IT_IS: dict[str, dict[str, object]] = {"as the recipe says": {}}


class Case(NamedTuple):
    """A camera: its recipe with labels, the degradation of the strangers' photos, and ways of training.

    Each way has what it changes in the recipe's stage. A classifier that trains alone changes no embedding, so that its
    figures are those before.
    """

    recipe: str
    camera: Camera
    rows: Mapping[str, Mapping[str, object]]


CASES = {
    "grey, 28 pixels, noise, JPEG 40": Case(
        "recipes/camera.yaml",
        Camera(resolution=[28, 28], noise=[10, 10], grey=True, jpeg=[40, 40]),
        AS_IT_IS
        | {
            "AdaFace": {"loss": "adaface"},
            "no distillation": {"distillation": 0},
            "distillation of the degraded photo": {"distillation": {"factor": 20, "of": "same"}},
            "first units, softmax": FIRST | {"loss": SOFTMAX},
            "first units, softmax, nothing to distill": FIRST | {"loss": SOFTMAX, "distillation": 0},
            "without labels": FIRST | {"loss": "none", "init": None},
            FOUND: {},
            f"{FOUND}, no distillation": {"distillation": 0},
        },
    ),
    "masks": Case("recipes/mask.yaml", Camera(mask=1.0), AS_IT_IS),
    "low light": Case(
        "recipes/low_light.yaml",
        Camera(low_light=[0.15, 0.15], jpeg=[40, 40]),
        AS_IT_IS
        | {
            "ArcFace": {
                "train_from": "Mixed_7a",
                "train_to": None,
                "epochs": 4,
                "loss": "arcface",
                "distillation": {"factor": 20, "of": "clean"},
            }
        },
    ),
}


def people_of(path: Path) -> set[str]:
    """Return the people whom a pairs file names."""
    fields = [line.split() for line in path.read_text().splitlines()[1:]]
    return {name for line in fields for name in ([line[0]] if len(line) == 3 else [line[0], line[2]])}


def trained_people() -> list[str]:
    """Return the people to train on, sorted."""
    lfw = SHARED / "lfw"
    novel, learn = (set((lfw / name).read_text().split()) for name in ("novel.txt", "learn.txt"))
    counts = collections.Counter(line.split("/")[0] for line in (lfw / "boxes.txt").read_text().splitlines())
    known = people_of(lfw / "pairs.txt") - novel - people_of(lfw / "pairs_strangers.txt")
    return sorted(name for name in learn | known if counts[name] >= LEAST)


def strangers() -> list[str]:
    """Return the novel people whom no training sees, sorted."""
    lfw = SHARED / "lfw"
    return sorted({*(lfw / "novel.txt").read_text().split()} - {*(lfw / "learn.txt").read_text().split()})


def faces() -> Path:
    """Cut the training faces, and return their folder."""
    PLACE.mkdir(parents=True, exist_ok=True)
    listed = PLACE / "people.txt"
    listed.write_text("".join(f"{name}\n" for name in trained_people()))
    return crops("gains/faces_182", 182, 44, listed)


def trained_on(row: str) -> Path:
    """Return the folder of images that a way of training takes."""
    folder, found = faces(), PLACE / "found"
    if "finetune cluster" not in row:
        return folder
    if not found.exists() and cli.main(["cluster", str(folder), str(found), "--checkpoint", str(SHARED / "facenet")]):
        raise SystemExit("finetune cluster failed")
    return found / "people"


def photos() -> list[Path]:
    """Return the strangers' crops, sorted."""
    folder = crops("lfw_160", 160, 32)
    return [path for name in strangers() for path in sorted((folder / name).glob("*.png"))]


def degraded(paths: list[Path], camera: Camera, name: str) -> list[Path]:
    """Write the photos as a camera sees them, and return their paths."""
    folder, degrade, found = PLACE / name, Degradation(camera, 0), []
    for index, path in enumerate(paths):
        found.append(folder / path.parent.name / path.name)
        if not found[-1].exists():
            found[-1].parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(degrade(np.asarray(Image.open(path).convert("RGB")), index)).save(found[-1])
    return found


def trained(case: Case, row: str, seed: int, measure: Callable[[Embedder], Embeddings]) -> Embeddings:
    """Train as a recipe says, with another seed and a row's keys of its stage, and return what is measured then."""
    recipe = Recipe.load(case.recipe)
    (stage,) = recipe.stages
    values = stage.to_value() | {"accept": None, **case.rows[row]}
    stage = type(stage)(**{key: value for key, value in values.items() if value is not None})
    data: dict[str, object] = {
        "train": str(trained_on(row)),
        "min_images_per_person": LEAST if "finetune cluster" in row else 1,
    }
    data |= {"labels": "none"} if stage.loss.name == "none" else {}
    with tempfile.TemporaryDirectory() as place:
        tuner = FineTuner(
            SHARED / "facenet",
            data,
            Path(place) / "run",
            seed=seed,
            verbose=False,
            augment=recipe.augment,
            batch_size=recipe.batch_size,
            precision="bfloat16",
            cache=recipe.cache,
        )
        tuner.run(stage)
        trainer = Trainer(tuner.model, stage)
        return measure(Embedder(tuner.model, "disk", first=trainer.first, rest=trainer.prelogits))


def embedded(
    name: str, paths: Mapping[str, list[Path]], make: Callable[[Callable[[Embedder], Embeddings]], Embeddings]
) -> Embeddings:
    """Return the embeddings of each list of photos, kept in a file from one run of the script to the next."""
    file = PLACE / f"{name}.npz"
    if not file.exists():
        found = make(lambda embedder: {key: embedder.embeddings(of, flip=True) for key, of in paths.items()})
        np.savez(file, **found)
    return dict(np.load(file))


def runs_of(case: Case, paths: Mapping[str, list[Path]]) -> dict[str, list[Embeddings]]:
    """Return the embeddings before training, and after each way of it with each seed."""
    slug = Path(case.recipe).stem
    model = Model.restore(SHARED / "facenet", precision="bfloat16")
    found = {"before": [embedded(f"{slug}-before", paths, lambda measure: measure(Embedder(model, "disk")))]}
    asked = os.environ.get("GAINS_ROWS", "")
    for row in case.rows:
        if asked in row:
            found[row] = [
                embedded(
                    f"{slug}-{row.replace(' ', '-')}-{seed}",
                    paths,
                    functools.partial(trained, case, row, seed),
                )
                for seed in SEEDS
            ]
    return found


def compared(
    found: Sequence[Embeddings], base: Sequence[Embeddings], pairs: Pairs, people: np.ndarray
) -> dict[str, Any]:
    """Return the figures of one way of training, as means over seeds, and each seed's change of accuracy from `base`.

    Args:
        found: embeddings with each seed.
        base: embeddings to compare them with: one set for all seeds, or one for each.
        pairs: pairs to judge.
        people: person of each photo.
    """
    figures: dict[str, Any] = {"seeds": len(found)}
    for kind in ("poor", "clean"):
        first, now = ([judge(one[kind], pairs) for one in each] for each in (base, found))
        each = [one.correct.astype(float) - other.correct for one, other in zip(now, itertools.cycle(first))]
        figures[kind] = {
            "accuracy": float(np.mean([one.accuracy for one in now])),
            "val": float(np.mean([one.val for one in now])),
            "auc": float(np.mean([one.auc for one in now])),
            "changes": [balanced(one, pairs.same) for one in each],
            "interval": interval(np.mean(each, axis=0), pairs, people),
        }
    old = np.mean([identified(base[0]["clean"], one["poor"], people) for one in found])
    new = np.mean([identified(one["clean"], one["poor"], people) for one in found])
    return figures | {"old gallery": float(old), "new gallery": float(new)}


def line(camera: str, row: str, figures: Mapping[str, Any]) -> str:
    """Return a row of the table."""
    changes = []
    for kind in ("poor", "clean"):
        low, high = figures[kind]["interval"]
        changes.append(f"{np.mean(figures[kind]['changes']):+.4f} ({low:+.4f} to {high:+.4f})")
    poor = figures["poor"]
    return (
        f"| {camera} | {row} | {figures['seeds']} | {poor['accuracy']:.4f} | {changes[0]} | {poor['val']:.4f} | "
        f"{poor['auc']:.4f} | {changes[1]} | {figures['old gallery']:.4f} | {figures['new gallery']:.4f} |"
    )


def main() -> None:
    """Make the table. A row takes a few minutes for each seed, and is kept.

    GAINS_SEEDS, GAINS_ROWS and GAINS_CASES may hold some of the seeds, and a part of the names.
    """
    clean = photos()
    people = np.array([path.parent.name for path in clean])
    pairs = draw_pairs(people)
    lines = [
        f"{len(trained_people())} people trained on, {len(set(people))} strangers, {pairs.same.sum()} pairs of one "
        f"person, {(~pairs.same).sum()} of two; seeds {', '.join(map(str, SEEDS))}",
        "",
        "| camera | training | seeds | accuracy | change | validation rate | AUC | change on clean photos | "
        "old gallery | new gallery |",
        f"|{' --- |' * 10}",
    ]
    figures = []
    for name, case in CASES.items():
        if os.environ.get("GAINS_CASES", "") not in name:
            continue
        paths = {"poor": degraded(clean, case.camera, Path(case.recipe).stem), "clean": clean}
        found = runs_of(case, paths)
        against = [(row, row, "before") for row in found]
        if {"AdaFace", "as the recipe says"} <= found.keys():
            against.append(("AdaFace, change from ArcFace", "AdaFace", "as the recipe says"))
        for title, row, base in against:
            of_row = compared(found[row], found[base], pairs, people)
            lines.append(line(name, title, of_row))
            print(lines[-1], flush=True)
            figures.append({"camera": name, "training": title, **of_row})
    write("gains", lines, figures)


if __name__ == "__main__":
    main()
