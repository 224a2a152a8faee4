"""Gains on people never seen: strangers before a poor camera, before and after training on degraded photos.

Trained are the people of `learn.txt`, and those of `pairs.txt` whom neither `novel.txt` nor a pair of strangers names,
with five images or more. Measured are the other novel people, whom neither the checkpoint nor the training has seen: on
all their pairs of one person and on drawn pairs of two, of degraded photos and of clean ones. Training without labels
can have people too: those whom `finetune cluster` finds in the same photos.

To measure another way of training, add a row to `ROWS`; another camera, to `CASES`.
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
from sklearn.metrics import roc_auc_score

from finetune import FineTuner, Model, Recipe, cli
from finetune.dataset.degradation import Degradation
from finetune.embedding import Embedder
from finetune.recipe import Camera
from finetune.training import Trainer

PLACE = OUT / "gains"
SEEDS = tuple(map(int, os.environ.get("GAINS_SEEDS", "1,2,3").split(",")))
Embeddings = dict[str, np.ndarray]
PAIRS, FOLDS, DRAWS, LEAST, FAR = 5_000, 10, 2_000, 5, 0.01


class Case(NamedTuple):
    """A camera: its recipe with labels, and the degradation of the strangers' photos."""

    recipe: str
    camera: Camera


CASES = {
    "grey, 28 pixels, noise, JPEG 40": Case(
        "recipes/camera.yaml", Camera(resolution=[28, 28], noise=[10, 10], grey=True, jpeg=[40, 40])
    ),
    "masks": Case("recipes/mask.yaml", Camera(mask=1.0)),
    "low light": Case("recipes/low_light.yaml", Camera(low_light=[0.15, 0.15], jpeg=[40, 40])),
}
FIRST: dict[str, object] = {
    "train_from": "Conv2d_1a_3x3",
    "train_to": "Repeat",
    "epochs": 6,
    "distillation": {"factor": 100, "of": "view"},
}
"""Training of the first units alone, toward the embedding of the same crop before the camera."""
LATE: dict[str, object] = {
    "train_from": "Mixed_7a",
    "train_to": None,
    "epochs": 4,
    "distillation": {"factor": 20, "of": "clean"},
}
"""Training of the last blocks, where losses of a classifier differ most."""
NO_LABELS: dict[str, object] = {"loss": "none", "init": None}
FOUND = "without labels, on the people whom finetune cluster finds"
ROWS: dict[str, tuple[dict[str, object], ...]] = {
    "as the recipe says": ({},),
    "without labels": (FIRST | NO_LABELS,),
    FOUND: (LATE | {"loss": "arcface"},),
    f"{FOUND}, no distillation": (LATE | {"loss": "arcface", "distillation": 0},),
    "no distillation": ({"distillation": 0},),
    "distillation of the degraded photo": ({"distillation": {"factor": 20, "of": "same"}},),
    "first units, softmax": (FIRST | {"loss": {"name": "softmax", "label_smoothing": 0.1}},),
    "first units, softmax, nothing to distill": (
        FIRST | {"loss": {"name": "softmax", "label_smoothing": 0.1}, "distillation": 0},
    ),
    "ArcFace": (LATE | {"loss": "arcface"},),
    "AdaFace": (LATE | {"loss": "adaface"},),
}
"""Ways of training: for each of their stages, what it changes in the recipe's one. A classifier that trains alone
changes no embedding, so that its figures are those before."""


class Pairs(NamedTuple):
    """Pairs of strangers' images: rows of the two, [n], whether they show one person, and the fold."""

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    fold: np.ndarray


class Judged(NamedTuple):
    """Figures of embeddings on pairs: correctness of each pair, accuracy, validation rate, area under the curve."""

    correct: np.ndarray
    accuracy: float
    val: float
    auc: float


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


def draw_pairs(people: np.ndarray) -> Pairs:
    """Return all pairs of one person, and drawn pairs of two, in shuffled folds."""
    generator = np.random.default_rng(5)
    first, second = np.triu_indices(len(people), 1)
    same = people[first] == people[second]
    others = generator.choice(np.flatnonzero(~same), PAIRS - same.sum(), replace=False)
    rows = generator.permutation(np.concatenate([np.flatnonzero(same), others]))
    return Pairs(first[rows], second[rows], same[rows], np.arange(PAIRS) * FOLDS // PAIRS)


def judge(embeddings: np.ndarray, pairs: Pairs) -> Judged:
    """Judge pairs by cosines without the mean, in ten folds, with thresholds from the other nine.

    Accuracy is the mean of that on pairs of one person and that on pairs of two, of which there are many more.
    """
    correct, scores, accepted = np.zeros(PAIRS, bool), np.zeros(PAIRS), np.zeros(PAIRS, bool)
    thresholds = np.linspace(-1, 1, 2001)
    for fold in range(FOLDS):
        test = pairs.fold == fold
        seen = np.unique([pairs.first[~test], pairs.second[~test]])
        centred = embeddings - embeddings[seen].mean(0)
        centred /= np.linalg.norm(centred, axis=1, keepdims=True)
        cosines = np.sum(centred[pairs.first] * centred[pairs.second], axis=1)
        same, two = cosines[~test & pairs.same], cosines[~test & ~pairs.same]
        rates = [np.searchsorted(np.sort(values), thresholds, "right") / len(values) for values in (same, two)]
        correct[test] = ((cosines > thresholds[np.argmax(rates[1] - rates[0])]) == pairs.same)[test]
        accepted[test] = (cosines > np.quantile(two, 1 - FAR))[test]
        scores[test] = cosines[test]
    return Judged(
        correct, balanced(correct, pairs.same), float(accepted[pairs.same].mean()), roc_auc_score(pairs.same, scores)
    )


def balanced(values: np.ndarray, same: np.ndarray) -> float:
    """Return the mean over pairs of one person and over pairs of two, each with half of the weight."""
    return float((values[same].mean() + values[~same].mean()) / 2)


def interval(change: np.ndarray, pairs: Pairs, people: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a mean change of correctness, by a bootstrap that draws people."""
    _, person = np.unique(people, return_inverse=True)
    generator, n, means = np.random.default_rng(0), person.max() + 1, []
    first, second = person[pairs.first], person[pairs.second]
    for _ in range(DRAWS):
        times = np.bincount(generator.integers(n, size=n), minlength=n)
        weights = np.where(pairs.same, times[first], times[first] * times[second])
        sides = [np.average(change[side], weights=weights[side]) for side in (pairs.same, ~pairs.same)]
        means.append(np.mean(sides))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def trained(case: Case, row: str, seed: int, measure: Callable[[Embedder], Embeddings]) -> Embeddings:
    """Train as a recipe says, with another seed and a row's keys of its stage, and return what is measured then."""
    recipe = Recipe.load(case.recipe)
    (whole,) = recipe.stages
    stages = []
    for number, change in enumerate(ROWS[row]):
        values = whole.to_value() | {"name": f"stage {number}", "accept": None, **change}
        stages.append(type(whole)(**{key: value for key, value in values.items() if value is not None}))
    data: dict[str, object] = {
        "train": str(trained_on(row)),
        "min_images_per_person": LEAST if "finetune cluster" in row else 1,
    }
    data |= {"labels": "none"} if all(stage.loss.name == "none" for stage in stages) else {}
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
        for stage in stages:
            tuner.run(stage)
        trainer = Trainer(tuner.model, stages[-1])
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


def identified(gallery: np.ndarray, probes: np.ndarray, people: np.ndarray) -> float:
    """Return the share of probes that are nearest to their own person among the first photos of all people."""
    names, first, counts = np.unique(people, return_index=True, return_counts=True)
    rest = np.flatnonzero(np.isin(people, names[counts > 1]) & ~np.isin(np.arange(len(people)), first))
    return float(np.mean(people[first][np.argmax(probes[rest] @ gallery[first].T, axis=1)] == people[rest]))


def runs_of(name: str, case: Case, paths: Mapping[str, list[Path]]) -> dict[str, list[Embeddings]]:
    """Return the embeddings before training, and after each way of it with each seed."""
    slug = Path(case.recipe).stem
    model = Model.restore(SHARED / "facenet", precision="bfloat16")
    found = {"before": [embedded(f"{slug}-before", paths, lambda measure: measure(Embedder(model, "disk")))]}
    asked = os.environ.get("GAINS_ROWS", "")
    for row in ROWS if asked or name == next(iter(CASES)) else list(ROWS)[:2]:
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
        found = runs_of(name, case, paths)
        against = [(row, row, "before") for row in found]
        if {"AdaFace", "ArcFace"} <= found.keys():
            against.append(("AdaFace, change from ArcFace", "AdaFace", "ArcFace"))
        for title, row, base in against:
            of_row = compared(found[row], found[base], pairs, people)
            lines.append(line(name, title, of_row))
            print(lines[-1], flush=True)
            figures.append({"camera": name, "training": title, **of_row})
    write("gains", lines, figures)


if __name__ == "__main__":
    main()
