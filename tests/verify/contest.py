"""Accuracy of five folds of the training rows of a contest on seven people of LFW.

A row of the table is a name, the kind of images, and a function from a training folder and a test folder to the
predicted people of the test images in order of name. The folders hold images of 160 x 160 pixels, or 72 x 72: the
training folder has one folder per person, and the test folder the images alone. To measure another way, add a row to
`ROWS`.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from common import OUT, SHARED, write
from sklearn.metrics import f1_score

from finetune import FineTuner, Recipe, Stage
from finetune.align import Alignment, Faces, align
from finetune.dataset.importers import Resizing, import_unlabelled
from finetune.gallery import published, split_in_folds
from finetune.gallery.classifiers import Name
from finetune.model import Model

FOLDS, HEIGHT, WIDTH, SCALE = 5, 50, 37, 5
CONTEST = SHARED / "contest"
PLACE = OUT / "contest"
Predict = Callable[[Path, Path], Sequence[str]]
Kind = Literal["whole pictures", "aligned, else the centre", "aligned, else the whole", "72 x 72 pixels"]


class Row(NamedTuple):
    """Row of the table."""

    name: str
    images: Kind
    predict: Predict


class Fold(NamedTuple):
    """Folders of one fold, and the true people of its test images in order of name."""

    train: Path
    test: Path
    people: list[str]


@functools.cache
def model() -> Model:
    """Restore the shared checkpoint."""
    return Model.restore(SHARED / "facenet")


@functools.cache
def embeddings(folder: Path) -> dict[Path, np.ndarray]:
    """Return the embedding of each image below a folder, by its path without links."""
    paths = sorted(folder.rglob("*.png"))
    return dict(zip(paths, model().embed(paths), strict=True))


def by_embeddings(classifier: Name, train: Path, test: Path) -> list[str]:
    """Name the test images by a classifier of the shared checkpoint's embeddings, without fine-tuning."""
    photos, probes = sorted(train.rglob("*.png")), sorted(test.glob("*.png"))
    known = embeddings(photos[0].resolve().parent) | embeddings(probes[0].resolve().parent)
    people = published.People.of([photo.parent.name for photo in photos], None)
    rows, probe_rows = (np.stack([known[path.resolve()] for path in paths]) for paths in (photos, probes))
    done = published.classify(classifier, rows, people.train, probe_rows)
    return [people.names[label] for label in done.predictions]


def fine_tuned(stages: Sequence[Stage], augment: dict[str, object], train: Path, test: Path) -> list[str]:
    """Name the test images by the classifier of the shared checkpoint, fine-tuned on the training images."""
    tuner = tuned(SHARED / "facenet", train, stages, augment=augment, batch_size=45)
    return tuner.predict(sorted(test.glob("*.png"))).names


def from_scratch(train: Path, test: Path) -> list[str]:
    """Name the test images by a small network that `recipes/small_cnn.yaml` trains on the training images alone."""
    recipe = Recipe.load("recipes/small_cnn.yaml", {"data.train": str(train), "data.validation_split": 0})
    keys = ("backbone", "weights", "preprocessing", "augment", "batch_size")
    settings = {key: value for key, value in recipe.to_value().items() if key in keys}
    return tuned(None, train, recipe.stages, **settings).predict(sorted(test.glob("*.png"))).names


def tuned(checkpoint: Path | None, train: Path, stages: Sequence[Stage], **settings: object) -> FineTuner:
    """Train the stages on a folder of people."""
    with tempfile.TemporaryDirectory() as folder:
        tuner = FineTuner(checkpoint, str(train), Path(folder) / "run", verbose=False, **settings)
        for stage in stages:
            tuner.run(stage)
    return tuner


HEAD = Stage("head", train_from="Logits", epochs=10, learning_rate=0.005, init="prototypes")
BLOCK = Stage(
    "block", train_from="Block8", epochs=8, learning_rate={"schedule": "cosine", "initial": 0.0003}, warmup_epochs=1
)
AUGMENT: dict[str, object] = {
    "random_flip": True,
    "random_rotate": 8,
    "random_zoom": 0.1,
    "random_brightness": 0.2,
    "random_contrast": 0.2,
    "views": 4,
}
ROWS = [
    Row(f"embeddings, {classifier}", images, functools.partial(by_embeddings, classifier))
    for images in ("whole pictures", "aligned, else the centre", "aligned, else the whole")
    for classifier in ("svc", "logistic", "prototype")
]
ROWS += [
    Row(f"fine-tuned, {name}{', augmented' if augment else ''}", images, functools.partial(fine_tuned, stages, augment))
    for images in ("whole pictures", "aligned, else the whole")
    for name, stages in (("head", [HEAD]), ("head and last block", [HEAD, BLOCK]))
    for augment in ({}, AUGMENT)
]
ROWS.append(Row("small_cnn from scratch", "72 x 72 pixels", from_scratch))


@functools.cache
def pictures(kind: Kind, rows: str = "X_train.npy") -> Path:
    """Return the folder of all rows of an array as images, `0000.png` for row 0."""
    place = PLACE if rows == "X_train.npy" else PLACE / "test"
    if kind == "72 x 72 pixels":
        small = place / "small"
        if not small.exists():
            import_unlabelled(CONTEST / rows, small, height=HEIGHT, width=WIDTH, resizing=Resizing(side=72))
        return small.resolve()
    out, enlarged = place / kind.replace(",", "").replace(" ", "-"), place / "enlarged"
    if not enlarged.exists():
        import_unlabelled(CONTEST / rows, enlarged, height=HEIGHT, width=WIDTH, resizing=Resizing(SCALE))
    nowhere = {path.name: Faces.none() for path in enlarged.glob("*.png")} if kind == "whole pictures" else None
    align(enlarged, out, Alignment(fallback="centre" if kind == "aligned, else the centre" else "whole"), nowhere)
    return out.resolve()


def folds(kind: Kind, names: list[str]) -> list[Fold]:
    """Link the images of each fold into folders to train and to test on."""
    made = []
    for number, split in enumerate(split_in_folds(names, FOLDS)):
        fold = PLACE / "folds" / f"{pictures(kind).name}-{number}"
        shutil.rmtree(fold, ignore_errors=True)
        for side, rows in (("train", split.train), ("test", split.test)):
            for row in rows:
                link = fold / side / (names[row] if side == "train" else "") / f"{row:04d}.png"
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(pictures(kind) / link.name)
        made.append(Fold(fold / "train", fold / "test", [names[row] for row in split.test]))
    return made


def scores(row: Row, names: list[str]) -> dict[str, list[float]]:
    """Return accuracy, number right, macro F-score and seconds of each fold."""
    found: dict[str, list[float]] = {"accuracy": [], "right": [], "macro_f1": [], "seconds": []}
    for fold in folds(row.images, names):
        began = time.monotonic()
        guessed = list(row.predict(fold.train, fold.test))
        found["seconds"].append(time.monotonic() - began)
        is_right = np.array(guessed) == np.array(fold.people)
        found["accuracy"].append(float(is_right.mean()))
        found["right"].append(int(is_right.sum()))
        found["macro_f1"].append(float(f1_score(fold.people, guessed, average="macro")))
    return found


def submit(row: Row, names: list[str]) -> Path:
    """Name the contest's test rows after training on all training rows, and write the submission."""
    train = PLACE / "everything"
    shutil.rmtree(train, ignore_errors=True)
    for number, name in enumerate(names):
        link = train / name / f"{number:04d}.png"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(pictures(row.images) / link.name)
    guessed = list(row.predict(train, pictures(row.images, "X_test.npy")))
    people = sorted(set(names))
    out = OUT / "contest_submission.csv"
    published.write_submission(out, np.array([people.index(name) for name in guessed]), people)
    print(f"{out}: {len(guessed)} rows, by {row.images}, {row.name}", flush=True)
    return out


def main() -> None:
    """Make the table, in about an hour; the first row of each kind of images embeds them.

    Then name the contest's own test rows by the row with the most right.

    CONTEST_ROWS may hold a part of the rows' names.
    """
    if not CONTEST.is_dir():
        print(f"{CONTEST}: no such folder, so the table of the contest is left out", flush=True)
        return
    names = [str(label) for label in np.load(CONTEST / "y_train.npy")]
    lines = [
        f"| images | how | accuracy, {FOLDS} folds | right of {len(names):,} | macro F-score | seconds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    figures = []
    rows = [row for row in ROWS if os.environ.get("CONTEST_ROWS", "") in row.name]
    for row in rows:
        found = scores(row, names)
        lines.append(
            f"| {row.images} | {row.name} | {np.mean(found['accuracy']):.4f} ± {np.std(found['accuracy']):.4f} | "
            f"{sum(found['right'])} | {np.mean(found['macro_f1']):.4f} | {sum(found['seconds']):.0f} |"
        )
        figures.append({"images": row.images, "how": row.name, **found})
        print(lines[-1], flush=True)
    write("contest", lines, figures)
    submit(rows[int(np.argmax([sum(of["right"]) for of in figures]))], names)


if __name__ == "__main__":
    PLACE.mkdir(parents=True, exist_ok=True)
    main()
