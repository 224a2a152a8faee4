"""Deliberate overfitting: 3 people, 100 epochs, everything unfrozen; strangers are measured after each epoch."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from common import OUT, SHARED, crops, write

from finetune import Recipe, run
from finetune.training.history import EpochRow, from_csv

EPOCHS = int(os.environ.get("EPOCHS", "100"))
PEOPLE, STRANGERS = 3, 25
"""Number of people of learn.txt with the most images, and of those after them, with up to five images each."""


def main() -> None:
    """Run it. The curve is in runs/verify/overfit/history.csv, and `pictures.py curve` draws it."""
    learned, strangers = people()
    output = OUT / "overfit"
    shutil.rmtree(output, ignore_errors=True)
    stage = {
        "name": "everything",
        "train_from": "Conv2d_1a_3x3",
        "epochs": EPOCHS,
        "learning_rate": 0.001,
        "batch_norm": "train",
        "init": "prototypes",
    }
    recipe = Recipe.from_values(
        {
            "checkpoint": SHARED / "facenet",
            "output": output,
            "data": {"train": learned, "strangers": str(strangers), "validation_split": 0.3},
            "seed": 1,
            "batch_size": 32,
            "stages": [stage],
        }
    )
    if "--table" not in sys.argv:
        run(recipe)
    rows = from_csv((output / "history.csv").read_text(encoding="utf-8"))
    write("overfit", table(rows), [row.to_json() for row in rows])


def people() -> tuple[Path, Path]:
    """Make a folder of the three, and one of strangers, as links."""
    source = crops("faces_182", 182, 44, "learn.txt")
    ranked = sorted(source.iterdir(), key=lambda person: (-len(list(person.iterdir())), person.name))
    folders = []
    for name, chosen, most in (("three", ranked[:PEOPLE], 20), ("others", ranked[PEOPLE : PEOPLE + STRANGERS], 5)):
        folder = OUT / f"overfit-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        for person in chosen:
            (folder / person.name).mkdir(parents=True)
            for image in sorted(person.iterdir())[:most]:
                (folder / person.name / image.name).symlink_to(image)
        folders.append(folder)
    return folders[0], folders[1]


def table(rows: list[EpochRow]) -> list[str]:
    """Return the table of some of the epochs."""
    lines = [
        "| epoch | training loss | held-back loss | learned | strangers | difference (95 %) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    shown = [row for row in rows if row.epoch in (1, 2, 5, 10, 20, 50, EPOCHS)]
    for row in shown:
        cells = [
            str(row.epoch),
            f"{row['loss']:.4f}",
            f"{row['validation_loss']:.4f}",
            f"{row['learned_accuracy']:.4f}",
            f"{row['strangers_accuracy']:.4f}",
            f"{row['strangers_low']:+.4f} to {row['strangers_high']:+.4f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
