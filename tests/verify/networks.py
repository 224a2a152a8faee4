"""Tables of the networks: parameters, images a second and memory, exports, and timm's networks beside Keras's.

Each network is measured in a process of its own, with drawn weights, on images of 160 x 160 pixels (64 x 64 for
`small_cnn`). FINETUNE_TORCH_PYTHON may name a Python with PyTorch and timm.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import crops, write

from finetune import FineTuner, Stage
from finetune.backbones import BACKBONES
from finetune.export import export
from finetune.model import Model

IMAGES, ROUNDS = 192, 3
MIDDLES = {
    "inception_resnet_v1": "Repeat_2",
    "inception_resnet_v2": "Repeat_2",
    "squeezenet": "fire8",
    "small_cnn": "Conv2d_3",
    "inception_v3": "mixed9",
    "efficientnet_b1": "block6a",
    "convnext_tiny": "stage_3",
}
"""A boundary in the middle of each network."""
FORMATS = ("keras", "onnx", "saved_model")
TIMM = {"efficientnet_b1": "efficientnet_b1", "convnext_tiny": "convnext_tiny"}
"""Names in timm of networks that it has too."""
OF_TIMM = """
import json, sys, time
import timm, torch
torch.set_num_threads(2)
name, images, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
model = timm.create_model(name, num_classes=0).eval()
pixels = torch.rand(images, 3, 160, 160)
rates, steps = [], []
with torch.inference_mode():
    model(pixels[:48])
    for _ in range(rounds):
        began = time.perf_counter()
        for start in range(0, images, 48):
            model(pixels[start : start + 48])
        rates.append(images / (time.perf_counter() - began))
print(json.dumps({"embed": max(rates)}))
"""


def main() -> None:
    """Make both tables, in about ten minutes."""
    figures = {}
    for name in BACKBONES:
        figures[name] = json.loads(_run("--network", name))
        print(name, figures[name], flush=True)
    lines = [
        "| backbone | parameters, embedding of 512 or its usual size | embeds, images a second | "
        "a stage from the middle trains, images a second | memory of embedding, MiB | exports differ by |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, of in figures.items():
        exports = ", ".join(f"{to} {difference:.0e}" for to, difference in of["exports"].items())
        lines.append(
            f"| `{name}` | {of['parameters']:,} ({of['embedding_size']}) | {of['embed']:.0f} | "
            f"{of['train']:.0f} (`{MIDDLES[name]}`) | {of['memory']:,.0f} | {exports} |"
        )
    write("networks", lines, figures)
    python = os.environ.get("FINETUNE_TORCH_PYTHON")
    if python:
        _beside_timm(python, figures)


def _beside_timm(python: str, figures: dict[str, Any]) -> None:
    """Make the table of the rates beside timm's networks, which run in turn on the same machine."""
    lines = ["| backbone | finetune, images a second | timm, images a second | ratio |", "| --- | --- | --- | --- |"]
    rates = {}
    for name, theirs in TIMM.items():
        ours = json.loads(_run("--embed", name))["embed"]
        done = subprocess.run(
            [python, "-c", OF_TIMM, theirs, str(IMAGES), str(ROUNDS)], capture_output=True, text=True, check=True
        )
        other = json.loads(done.stdout.splitlines()[-1])["embed"]
        rates[name] = {"finetune": max(ours, figures[name]["embed"]), "timm": other}
        lines.append(
            f"| `{name}` | {rates[name]['finetune']:.0f} | {other:.0f} | {rates[name]['finetune'] / other:.2f} |"
        )
    write("networks-timm", lines, rates)


def _run(*options: str) -> str:
    done = subprocess.run([sys.executable, __file__, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout.splitlines()[-1]


def measured(name: str) -> dict[str, Any]:
    """Return the figures of one network. The memory is that of this process after it has embedded."""
    model = Model.fresh(name, classes=["a", "b", "c"], seed=1)
    _with_statistics(model)
    embed = rate(model)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = model.save(Path(folder) / "model")
        exports = {}
        for to in FORMATS:
            certificate = export(checkpoint, to, Path(folder) / to)
            exports[to] = max(agreement.largest_difference for agreement in certificate.agreements.values())
        train = _trains(name, Path(folder))
    return {
        "parameters": sum(int(np.prod(variable.shape)) for variable in model.variables.values()),
        "embedding_size": model.embedding_size,
        "embed": embed,
        "train": train,
        "memory": memory,
        "exports": exports,
    }


def rate(model: Model) -> float:
    """Return the images a second that a model embeds."""
    pixels = np.random.default_rng(0).integers(0, 256, [IMAGES, *model.preprocessing.shape]).astype(np.uint8)
    model.embed(pixels[:48])
    return max(IMAGES / _seconds(lambda: model.embed(pixels)) for _ in range(ROUNDS))


def _with_statistics(model: Model) -> None:
    """Draw statistics, scales and offsets too, so that no layer's output vanishes."""
    generator = np.random.default_rng(2)
    moved = {
        name: generator.uniform(0.5, 1.5, value.shape)
        if name.endswith(("/moving_variance", "/gamma"))
        else value + 0.05 * generator.standard_normal(value.shape)
        for name, value in model.tensors().items()
    }
    model.assign({name: value.astype(np.float32) for name, value in moved.items()})


def _trains(name: str, folder: Path) -> float:
    """Return the images a second of an epoch that trains from the middle of the network."""
    backbone = BACKBONES[name]
    faces = crops("faces_182", 182, 44, "learn.txt")
    small = {"image_size": 64, "convert": True} if backbone.channels == "grey" else {}
    tuner = FineTuner(
        None,
        {"train": str(faces), "share": 0.4},
        folder / "run",
        verbose=False,
        backbone=name,
        weights="none",
        cache="off",
        batch_size=48,
        preprocessing=small,
    )
    tuner.run(Stage("middle", train_from=MIDDLES[name], epochs=2, learning_rate=0.0001, batch_norm="train"))
    images = 0.4 * len(tuner.inputs.train)
    return images / tuner.rows[-1]["seconds"]


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    of, name = sys.argv[1:]
    print(json.dumps(measured(name) if of == "--network" else {"embed": rate(Model.fresh(name))}))
