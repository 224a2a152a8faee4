"""The full recipe on the 74 people of learn.txt, three seeds, beside a linear SVM on the same embeddings."""

from __future__ import annotations

import shutil

import numpy as np
from common import OUT, SHARED, crops, write
from sklearn.svm import SVC

from finetune import Recipe
from finetune.evaluation import compare, measure, read_pairs, resolve
from finetune.model import Model
from finetune.runs import FineTuner
from finetune.runs.inputs import Inputs

SEEDS = (1, 2, 3)
PROTOCOL = {"distance": "cosine", "subtract_mean": True, "flip": True}


def main() -> None:
    """Runs recipes/small.yaml; LFW in the recipe is pairs_strangers.txt, pairs.txt is measured besides."""
    lfw = crops("lfw_160", 160, 32)
    everyone = resolve(read_pairs(SHARED / "lfw/pairs.txt"), lfw)
    base_everyone = None
    figures = []
    for seed in SEEDS:
        output = OUT / f"stages-{seed}"
        shutil.rmtree(output, ignore_errors=True)
        recipe = Recipe.load(
            "recipes/small.yaml",
            {
                "checkpoint": SHARED / "facenet",
                "data.train": crops("faces_182", 182, 44, "learn.txt"),
                "data.validation_split": 0.3,
                "lfw.dir": lfw,
                "lfw.pairs": SHARED / "lfw/pairs_strangers.txt",
                "output": output,
                "seed": seed,
            },
        )
        tuner = FineTuner.from_inputs(Inputs.open(recipe))
        svm = linear_svm(tuner.inputs)
        base_everyone = base_everyone or measure_pairs(tuner.model, everyone)
        tuner.begin()
        for stage in recipe.stages:
            result = tuner.run(stage)
            # After a head-only stage every embedding is what it was: tests/verify/frozen.py shows it.
            moved = stage.train_from != "Logits" and result.accepted
            previous = figures[-1]["everyone"] if figures and figures[-1]["seed"] == seed else base_everyone
            after = measure_pairs(Model.restore(result.folder), everyone) if moved else previous
            figures.append({"seed": seed, "stage": result, "svm": svm, "everyone": after})
            print(f"seed {seed}, {stage.name}: pairs.txt {base_everyone.accuracy:.4f} to {after.accuracy:.4f}")
    write("stages", table(figures, base_everyone), [_plain(figure) for figure in figures])


def linear_svm(inputs: Inputs) -> float:
    """Accuracy on the held-back images of a linear SVM on the embeddings of the training images."""
    train, test = (inputs.model.embed(part.paths) for part in (inputs.train, inputs.validation))
    return float(SVC(kernel="linear").fit(train, inputs.train.labels).score(test, inputs.validation.labels))


def measure_pairs(model: Model, pairs):  # type: ignore[no-untyped-def]
    """LFW with the setting of the recipe."""
    return measure(lambda paths, flip: model.embed(paths, flip=flip), pairs, **PROTOCOL)


def table(figures, base) -> list[str]:  # type: ignore[no-untyped-def]
    """A row a stage and seed."""
    first = figures[0]["stage"]
    svms = [f"{f['svm']:.4f} (seed {f['seed']})" for f in figures if f["stage"].index == 1]
    lines = [
        f"Before training: pairs_strangers.txt {first.before.accuracy:.4f}, pairs.txt {base.accuracy:.4f}. "
        f"Linear SVM on the same embeddings: {', '.join(svms)}.",
        "",
        "| seed | stage | training loss | held-back loss | held-back accuracy | strangers (difference) | "
        "pairs.txt (difference) | outcome |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for figure in figures:
        r, everyone = figure["stage"], figure["everyone"]
        strangers = f"{r.measured.accuracy:.4f} ({compare(first.before, r.measured).accuracy:+.4f})"
        cells = [
            str(figure["seed"]),
            r.name,
            f"{r.cross_entropy:.4f}",
            f"{r.validation_loss:.4f}",
            f"{r.validation_accuracy:.4f}",
            strangers,
            f"{everyone.accuracy:.4f} ({compare(base, everyone).accuracy:+.4f})",
            "kept" if r.accepted else "rolled back",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    last = [f for f in figures if f["stage"].name == figures[-1]["stage"].name]
    strangers = np.array([f["stage"].lfw.accuracy for f in last]) - first.before.accuracy
    lines += [
        "",
        f"Strangers after the last stage: {strangers.mean():+.4f}±{strangers.std():.4f} over {len(last)} seeds.",
    ]
    return lines


def _plain(figure) -> dict:  # type: ignore[no-untyped-def]
    result, everyone = figure["stage"], figure["everyone"]
    return {
        "seed": figure["seed"],
        "linear_svm": figure["svm"],
        **result.to_json(),
        "strangers_before": result.before.accuracy,
        "strangers_measured": result.measured.accuracy,
        "strangers_val": result.measured.val,
        "pairs_accuracy": everyone.accuracy,
        "pairs_val": everyone.val,
    }
