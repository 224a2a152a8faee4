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
model = timm.create_model(name, num_classes=512).train()
optimizer = torch.optim.Adam(model.parameters(), 1e-4)
for _ in range(rounds):
    began = time.perf_counter()
    for start in range(0, 96, 48):
        optimizer.zero_grad()
        model(pixels[start : start + 48]).square().mean().backward()
        optimizer.step()
    steps.append(96 / (time.perf_counter() - began))
print(json.dumps({"embed": max(rates), "train": max(steps)}))
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
    """Make the table of the rates beside timm's networks, which run in turn on the same machine.

    Both train all layers with Adam, finetune on triplets from files, timm on pixels in memory.
    """
    lines = ["| backbone | images a second | finetune | timm | ratio |", "| --- | --- | --- | --- | --- |"]
    rates = {}
    for name, theirs in TIMM.items():
        ours = json.loads(_run("--rates", name))
        done = subprocess.run(
            [python, "-c", OF_TIMM, theirs, str(IMAGES), str(ROUNDS)], capture_output=True, text=True, check=True
        )
        other = json.loads(done.stdout.splitlines()[-1])
        ours["embed"] = max(ours["embed"], figures[name]["embed"])
        rates[name] = {"finetune": ours, "timm": other}
        for act, words in (("embed", "embeds"), ("train", "trains")):
            lines.append(f"| `{name}` | {words} | {ours[act]:.1f} | {other[act]:.1f} | {ours[act] / other[act]:.2f} |")
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
        middle = Stage("middle", train_from=MIDDLES[name], epochs=2, learning_rate=0.0001, batch_norm="train")
        train = _trains(name, Path(folder), middle)
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


def rates(name: str) -> dict[str, float]:
    """Return the images a second that a network embeds, and those that it trains on, all layers, by triplets."""
    backbone = BACKBONES[name]
    first = next(unit for unit in backbone.names if unit in backbone.boundaries)
    mining = {"negatives": "random"}
    triplets = Stage("all", first, 2, learning_rate=0.0001, batch_norm="train", loss="triplet", mining=mining)
    with tempfile.TemporaryDirectory() as folder:
        return {"embed": rate(Model.fresh(name)), "train": _trains(name, Path(folder), triplets, share=0.2)}


def _trains(name: str, folder: Path, stage: Stage, share: float = 0.4) -> float:
    """Return the images a second of a stage's last epoch, on a share of the images."""
    backbone = BACKBONES[name]
    faces = crops("faces_182", 182, 44, "learn.txt")
    small = {"image_size": 64, "convert": True} if backbone.channels == "grey" else {}
    tuner = FineTuner(
        None,
        {"train": str(faces), "share": share},
        folder / "run",
        verbose=False,
        backbone=name,
        weights="none",
        cache="off",
        batch_size=48,
        preprocessing=small,
    )
    tuner.run(stage)
    images = share * len(tuner.inputs.train)
    return images / tuner.rows[-1]["seconds"]


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    of, name = sys.argv[1:]
    print(json.dumps(measured(name) if of == "--network" else rates(name)))
