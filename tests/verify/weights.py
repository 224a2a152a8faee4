"""Table of the matrix of weights: the real checkpoint into every format, trained from there, and out to every format.

The reading programs are facenet-pytorch, DeepFace and keras-facenet where FINETUNE_TORCH_PYTHON and
FINETUNE_KERAS_PYTHON name a Python with them. The expected embeddings are those of TensorFlow 1.7.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
from common import OUT, SHARED, crops, write

from finetune import FineTuner, Stage
from finetune.export import process, reading_back
from finetune.export.formats import FORMATS, NAMES, Content, Format, find
from finetune.model import Model

CHECKPOINT = SHARED / "facenet"
PEOPLE, IMAGES = 10, 6
"""Number of people and of images per person in the training of a head."""
UNREAD = {"tflite", "openvino"}
"""Formats that finetune writes, and does not read."""
FOLDED = {"onnx", "saved_model"}
"""Formats whose weights hold batch norm's statistics."""


def main() -> None:
    """Make the table `weights`; a quarter of an hour."""
    original = Model.restore(CHECKPOINT)
    probe = np.load(SHARED / "expected/probe.npz", allow_pickle=False)
    faces = some_people(OUT / "few_faces")
    lines = [
        "| format | read by | from TensorFlow 1.7's | tensors with the same bytes | embeddings differ by | "
        "after a head's epoch: tensors with the same bytes in each format that is written again |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for label, format in formats().items():
            place = Path(name) / label
            path = written(format, Content.of(original, head=has_head(format)), place)
            outside = process.is_outside(format)
            found = (
                process.answer(format, place, probe["pixels"], Path(name), "probing")
                if outside
                else reading_back.answer(format, place, probe["pixels"], head=False)
            )
            theirs = float(np.abs(found.outputs["embeddings"] - probe["fixed"]).max())
            if format.name in UNREAD:
                rows.append([label, found.runtime, theirs])
                lines.append(f"| {label} | {found.runtime} | {theirs:.1e} | not read | | |")
                continue
            model = Model.restore(path)
            same = equal(model, original)
            ours = float(np.abs(model.embed(probe["pixels"]) - original.embed(probe["pixels"])).max())
            again = trained(path, faces, Path(name) / "run")
            rows.append([label, found.runtime, theirs, same, ours, again])
            told = ", ".join(f"{to} {count}" for to, count in again.items())
            lines.append(f"| {label} | {found.runtime} | {theirs:.1e} | {same} of 492 | {ours:.1e} | {told} |")
    write("weights", lines, rows)


def formats() -> dict[str, Format]:
    """Return the formats by label, each with its other names beside it."""
    return {**FORMATS, **{f"h5, {names}": find("h5", names=names) for names in NAMES}}


def has_head(format: Format) -> bool:
    return format.reader not in NAMES


def written(format: Format, content: Content, folder: Path) -> Path:
    """Write an export without its certificate, and return its folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    format.write(content, folder)
    return folder


def equal(model: Model, other: Model) -> int:
    """Return the number of variables that have the same bytes in both."""
    values = {name: value.tobytes() for name, value in other.tensors().items()}
    return sum(value.tobytes() == values.get(name) for name, value in model.tensors().items())


def trained(checkpoint: Path, faces: Path, out: Path) -> dict[str, int]:
    """Train a head for one epoch, and return how many tensors each format gives back."""
    shutil.rmtree(out, ignore_errors=True)
    tuner = FineTuner(checkpoint, {"train": faces}, out, verbose=False)
    tuner.run(Stage("head", train_from="Logits", epochs=1, learning_rate=0.001))
    model = Model.restore(tuner.results[-1].folder)
    counts = {}
    for label, format in formats().items():
        if format.name not in UNREAD:
            path = written(format, Content.of(model, head=has_head(format)), out / "again" / label.replace(", ", "-"))
            counts[label] = equal(Model.restore(path), model)
    return counts


def some_people(folder: Path) -> Path:
    """Link some people's faces into a folder, which is made once."""
    if not folder.exists():
        source = crops("faces_182", 182, 44, "learn.txt")
        for person in sorted(source.iterdir())[:PEOPLE]:
            (folder / person.name).mkdir(parents=True)
            for image in sorted(person.iterdir())[:IMAGES]:
                (folder / person.name / image.name).symlink_to(image)
    return folder
