"""Proof that a head-only stage changes no frozen byte, beside the naive way (batch norm in training mode)."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import tensorflow as tf
from common import OUT, SHARED, crops, write

from finetune import FineTuner, Stage, network
from finetune.dataset.pipeline import Drawing, training_batches
from finetune.images.standardization import standardize
from finetune.model import Model
from finetune.runs.evaluation import Evaluation
from finetune.runs.opening import Inputs

EPOCHS, RATE = 10, 0.01
SETTINGS = {"seed": 1, "batch_size": 90, "augment": {"random_crop": True, "random_flip": True}}


def main() -> None:
    """Run both on the 74 people of learn.txt, and measure pairs.txt before and after."""
    lfw = {
        "dir": str(crops("lfw_160", 160, 32)),
        "pairs": str(SHARED / "lfw/pairs.txt"),
        "distance": "cosine",
        "subtract_mean": True,
        "flip": True,
    }
    data = {"train": str(crops("faces_182", 182, 44, "learn.txt")), "validation_split": 0.3}
    output = OUT / "frozen"
    shutil.rmtree(output, ignore_errors=True)
    tuner = FineTuner(SHARED / "facenet", data, output, lfw, **SETTINGS)
    images = tuner.inputs.image_pairs.paths
    digests = tuner.model.digests()
    before = tuner.model.embed(images, flip=True)
    result = tuner.run(Stage("head", train_from="Logits", epochs=EPOCHS, learning_rate=RATE))
    after = Model.restore(result.folder).embed(images, flip=True)
    changed = [name for name, digest in tuner.model.digests().items() if digests[name] != digest]
    naive, drift = _naive(tuner.inputs)
    figures = {
        "variables": len(digests),
        "changed": changed,
        "embeddings": len(images) * 2,
        "embeddings_bit_identical": bool(np.array_equal(before, after)),
        "lfw_before": tuner.baseline.lines(),
        "lfw_after": result.measured.lines(),
        "lfw_naive": naive.lines(),
        "naive_statistics_changed": drift,
    }
    lines = [
        "| after the head stage | frozen tensors changed | accuracy | validation rate | AUC | EER |",
        "| --- | --- | --- | --- | --- | --- |",
        _row("before", "", tuner.baseline),
        _row("finetune", str(len([name for name in changed if not name.startswith("Logits")])), result.measured),
        _row("the naive way", str(drift), naive),
        "",
        f"Changed by finetune: {', '.join(changed)}. {len(images) * 2} embeddings of {len(images)} images "
        f"bit-identical: {figures['embeddings_bit_identical']}.",
    ]
    write("frozen", lines, figures)


def _row(name: str, changed: str, result) -> str:  # type: ignore[no-untyped-def]
    figures = (
        f"{result.accuracy:.5f}±{result.accuracy_std:.5f} | {result.val:.5f} | {result.auc:.4f} | {result.eer:.4f}"
    )
    return f"| {name} | {changed} | {figures} |"


def _naive(inputs: Inputs):  # type: ignore[no-untyped-def]
    """Train the same stage as scripts do: the optimizer gets the head alone, and `phase_train` is true for all."""
    model = Model.restore(SHARED / "facenet", class_names=inputs.model.class_names, seed=SETTINGS["seed"])
    before = model.digests()
    head = [variable for name, variable in model.variables.items() if name.startswith("Logits/")]
    optimizer = keras.optimizers.Adam(RATE)
    optimizer.build(head)

    @tf.function(autograph=False, reduce_retracing=True)
    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        prelogits = network.forward_pass(model.backbone, images, model.variables, batch_norm="train")
        with tf.GradientTape() as tape:
            logits = network.forward_pass(model.backbone, prelogits, model.variables, network.HEAD)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        optimizer.apply(tape.gradient(loss, head), head)
        return loss

    for epoch in range(1, EPOCHS + 1):
        batches = training_batches(
            inputs.train,
            Drawing(SETTINGS["seed"], 1, epoch),
            preprocessing=model.preprocessing,
            augment=inputs.recipe.augment,
            batch_size=SETTINGS["batch_size"],
        )
        for pixels, labels in batches:
            step(standardize(pixels, model.preprocessing.standardization), labels)
    after = model.digests()
    drift = sum(after[name] != before[name] for name in after if not name.startswith("Logits/"))
    inputs.model.assign(model.tensors())
    return Evaluation(inputs).lfw(), drift
