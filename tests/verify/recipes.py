"""Every recipe that fits the 74 people of learn.txt, beside two simple classifiers on the unchanged embeddings.

Each recipe runs with three seeds (SEEDS sets another number). The classifiers are a linear SVM and the nearest class
mean.

LFW in the recipes is pairs_strangers.txt: nobody in it is trained on. pairs.txt is measured once, on the weights that
stand at the end.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf
from common import OUT, SHARED, crops, write
from PIL import Image
from scipy import stats
from sklearn.svm import SVC

from finetune import Recipe, network
from finetune.embedding.embedder import Embedder
from finetune.identification.rates import unit_class_means
from finetune.model import Model
from finetune.record.results import ended
from finetune.report import tables
from finetune.runs.opening import Inputs
from finetune.runs.tuner import FineTuner
from finetune.verification import read_pairs, resolve
from finetune.verification.comparison import compare
from finetune.verification.measuring import measure

SEEDS = tuple(range(1, 1 + int(os.environ.get("SEEDS", "3"))))
ONCE = ("vggface2",)
"""Recipes for a thousand times the images and a GPU, which run once, to see that they run."""
PROTOCOL = {"distance": "cosine", "subtract_mean": True, "flip": True}
RECIPES = {
    "small": {},
    "few": {"data.train": "few"},
    "arcface": {},
    "triplet": {},
    "domain": {"data.train": "dark", "lfw.dir": "dark"},
    "large": {"data.validation_split": 0.3, "data.strangers": 0.15},
    "vggface2": {"data.validation_split": 0.3, "stages.1.epochs": 3},
}
"""Changes to each recipe's file, beside paths and seed."""


def main() -> None:
    """Run all recipes, or those that RECIPES names: `RECIPES=small,few python tests/verify/run.py recipes`."""
    asked = os.environ.get("RECIPES", ",".join(RECIPES)).split(",")
    if unknown := [name for name in asked if name not in RECIPES]:
        sys.exit(f"RECIPES: no recipe {', '.join(unknown)}; choose from {', '.join(RECIPES)}")
    everyone = Everyone()
    for name in asked:
        for seed in seeds(name):
            figures = one(name, seed, everyone)
            (OUT / f"recipes-{name}-{seed}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    found = {
        name: [json.loads((OUT / f"recipes-{name}-{seed}.json").read_text(encoding="utf-8")) for seed in seeds(name)]
        for name in RECIPES
        if (OUT / f"recipes-{name}-{seeds(name)[-1]}.json").exists()
    }
    write("recipes", table(found), found)


def seeds(name: str) -> tuple[int, ...]:
    """Return the seeds of a recipe's runs."""
    return SEEDS[:1] if name in ONCE else SEEDS


class Everyone:
    """Measurement of pairs.txt for any model of which only the last units have changed."""

    def __init__(self) -> None:
        self.pairs = resolve(read_pairs(SHARED / "lfw/pairs.txt"), crops("lfw_160", 160, 32))
        self.before = None

    def measure(self, model: Model, first: int):  # type: ignore[no-untyped-def]
        """Measure LFW in the setting of the recipes. The features before `first` are kept."""

        @tf.function(autograph=False, reduce_retracing=True)
        def suffix(features):  # type: ignore[no-untyped-def]
            return network.forward_pass(model.backbone, features, model.variables, slice(first, -1))

        embedder = Embedder(model, first=first, rest=lambda features: suffix(features).numpy())
        return measure(embedder.embeddings, self.pairs, **PROTOCOL)


def one(name: str, seed: int, everyone: Everyone) -> dict:  # type: ignore[type-arg]
    """Run a recipe once, and return its figures."""
    start = time.monotonic()
    output = OUT / f"recipes-{name}-{seed}"
    shutil.rmtree(output, ignore_errors=True)
    folders = {"few": few, "dark": lambda: dark(crops("faces_182", 182, 44, "learn.txt"), "faces_182_dark")}
    changes = dict(RECIPES[name])
    train = changes.pop("data.train", None)
    lfw = crops("lfw_160", 160, 32)
    pairs = SHARED / "lfw/pairs_strangers.txt"
    settings = {
        "checkpoint": SHARED / "facenet",
        "data.train": folders[train]() if train else crops("faces_182", 182, 44, "learn.txt"),
        "lfw.pairs": pairs,
        "output": output,
        "seed": seed,
        **changes,
        "lfw.dir": dark(lfw, "lfw_160_dark", pairs) if "lfw.dir" in changes else lfw,
    }
    recipe = Recipe.load(f"recipes/{name}.yaml", settings)
    tuner = FineTuner.from_inputs(Inputs.open(recipe))
    backbone = tuner.model.backbone
    if everyone.before is None:
        everyone.before = everyone.measure(tuner.model, backbone.boundary("Repeat_2"))
    svm, nearest_mean = unchanged(tuner.model, tuner.inputs)
    tuner.begin()
    for stage in recipe.stages:
        if not ended(recipe, tuner.results):
            tuner.run(stage)
    first = min([backbone.boundary(r.train_from) for r in tuner.results if r.accepted], default=backbone.head_index)
    moved = first < backbone.head_index
    after = everyone.measure(tuner.model, min(first, backbone.boundary("Repeat_2"))) if moved else everyone.before
    seconds = time.monotonic() - start
    print(f"{name}, seed {seed}: {tables.duration(seconds)}", flush=True)
    return {
        "recipe": name,
        "seed": seed,
        "seconds": seconds,
        "images": len(tuner.inputs.train),
        "svm": svm,
        "nearest_mean": nearest_mean,
        "strangers_before": tuner.baseline.accuracy,
        "strangers_val_before": tuner.baseline.val,
        "pairs_before": everyone.before.accuracy,
        "pairs_after": after.accuracy,
        "pairs_difference": dataclasses.asdict(compare(everyone.before, after)),
        "stages": [
            {
                "name": result.name,
                "held_back": result.validation_accuracy,
                "strangers": result.measured.accuracy,
                "strangers_val": result.measured.val,
                "accepted": result.accepted,
                "reason": result.reason,
            }
            for result in tuner.results
        ],
    }


def unchanged(model: Model, inputs: Inputs) -> tuple[float, float]:
    """Return held-back accuracies of a linear SVM on the embeddings of the rest, and of the nearest mean."""
    train, test = (model.embed(part.paths) for part in (inputs.train, inputs.validation))
    labels, expected = inputs.train.labels, inputs.validation.labels
    svm = float(SVC(kernel="linear").fit(train, labels).score(test, expected))
    return svm, float(np.mean(np.argmax(test @ unit_class_means(train, labels).T, axis=1) == expected))


def few() -> Path:
    """Link the first five images of each of the 74."""
    folder, source = OUT / "faces_182_few", crops("faces_182", 182, 44, "learn.txt")
    for person in sorted(source.iterdir()):
        for image in sorted(person.iterdir())[:5]:
            link = folder / person.name / image.name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.symlink_to(image)
    return folder


def dark(source: Path, name: str, pairs: Path | None = None) -> Path:
    """Write grey photos in low light: a seventh of the light, grey levels, noise of the sensor, brightened."""
    folder = OUT / name
    images = resolve(read_pairs(pairs), source).paths if pairs else sorted(source.rglob("*.png"))
    generator = np.random.default_rng(0)
    for image in images:
        target = folder / image.parent.name / image.name
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        light = np.asarray(Image.open(image).convert("L"), np.float64) / 7
        seen = np.clip(np.round(light + generator.normal(0, 1.5, light.shape)), 0, 255)
        grey = np.clip(seen * 4, 0, 255).astype(np.uint8)
        partial = target.with_suffix(".partial.png")
        Image.fromarray(np.repeat(grey[..., np.newaxis], 3, 2)).save(partial)
        partial.rename(target)
    return folder


def figure(values: list[float], sign: str = "") -> str:
    """Return the mean, and for several values the half-width of its 95 % interval by Student's t."""
    mean = f"{np.mean(values):{sign}.4f}"
    if len(values) == 1:
        return mean
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{mean} ± {half:.4f}"


def table(found) -> list[str]:  # type: ignore[no-untyped-def]
    """Return one row per recipe and stage: means over the seeds with the 95 % interval of the mean."""
    lines = [
        "| recipe, stage | held back | less the SVM's | less the mean's | strangers | difference | kept | pairs.txt |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, runs in found.items():
        before = np.mean([run["strangers_before"] for run in runs])
        for way, key in (("linear SVM", "svm"), ("nearest mean", "nearest_mean")):
            accuracy = figure([run[key] for run in runs])
            lines.append(f"| **{name}**: {way} | {accuracy} |  |  | {before:.4f} |  |  |  |")
        for place, stage in enumerate(runs[0]["stages"]):
            at = [run["stages"][place] for run in runs]
            pairs = [run["pairs_after"] - run["pairs_before"] for run in runs]
            cells = [
                f"{name}, {stage['name']}",
                figure([s["held_back"] for s in at]),
                *(
                    figure([s["held_back"] - run[way] for s, run in zip(at, runs, strict=True)], "+")
                    for way in ("svm", "nearest_mean")
                ),
                figure([s["strangers"] for s in at]),
                figure([s["strangers"] - run["strangers_before"] for s, run in zip(at, runs, strict=True)], "+"),
                f"{sum(s['accepted'] for s in at)} of {len(at)}",
                figure(pairs, "+") if place == len(runs[0]["stages"]) - 1 else "",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return lines
