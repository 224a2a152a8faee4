"""The demo on made-up data: drawn faces, a checkpoint trained on some of them, and two stages on others.

Nothing is downloaded. The checkpoint is a complete network of random weights, trained for a minute on its own people,
which makes it a modest face model. These people, the people of the stages and the people of the pairs are three
disjoint groups.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from finetune import network
from finetune.backbones import BACKBONES, DEFAULT
from finetune.dataset import Batch, Drawing, scan, training_batches
from finetune.files import refuse_used
from finetune.images import Preprocessing, network_inputs, standardize, write_faces
from finetune.model import Model
from finetune.paths import find_file
from finetune.recipe import Augment, Recipe, Stage
from finetune.record import StageResult
from finetune.runs import run
from finetune.training import Data, Run, StageState, Trainer, train
from finetune.training.sampling import Epoch, Sampler
from finetune.verification import write_pairs

SEED = 20180402
BACKBONE = BACKBONES[DEFAULT]
NAME = "demo"
"""Name in the checkpoint's files."""
IMAGE_SIZE = 80
EMBEDDING_SIZE = 512
LEARNED = range(1, 37)
STRANGERS = range(101, 141)
"""Numbers of the people in the pairs."""
OLD = range(201, 321)
"""Numbers of the people of the checkpoint's own classifier, which is not restored."""
PRETRAINING = Stage(
    "pretraining",
    train_from=BACKBONE.names[0],
    epochs=3,
    learning_rate={"schedule": "cosine", "initial": 0.002},
    batch_norm="train",
)
BATCH_SIZE = 25
BATCH_NORM_IMAGES = 256
"""Number of images for the moving statistics. Those from training steps keep too much of the past."""


def demo(
    output: Path,
    *,
    learned: Sequence[int] = LEARNED,
    strangers: Sequence[int] = STRANGERS,
    old: Sequence[int] = OLD,
    image_size: int = IMAGE_SIZE,
) -> Sequence[StageResult]:
    """Make data in `output/data` and `output/checkpoint`, and run `recipes/demo.yaml` into `output/run`.

    Args:
        output: folder that does not exist yet, or is empty.
        learned: numbers of the people that the recipe trains on.
        strangers: numbers of the people in the pairs, 20 or more.
        old: numbers of the people that the checkpoint has seen. The three groups are disjoint.
        image_size: image side in pixels, from 75.

    Raises:
        DataError: `output` is in use.
    """
    refuse_used(output)
    data, checkpoint = output / "data", output / "checkpoint"
    for name, people, images in (("faces", learned, 20), ("strangers", strangers, 6), ("old", old, 10)):
        write_faces(data / name, people=people, images_per_person=images, size=image_size, seed=SEED)
    write_pairs(data / "pairs.txt", data / "strangers", folds=10, pairs_per_fold=30, seed=SEED)
    pretrain(checkpoint, data / "old", image_size)
    settings = {
        "checkpoint": checkpoint,
        "data.train": data / "faces",
        "lfw.dir": data / "strangers",
        "lfw.pairs": data / "pairs.txt",
        "output": output / "run",
    }
    return run(Recipe.load(find_file("recipes/demo.yaml"), settings))


def pretrain(folder: Path, faces: Path, image_size: int) -> Path:
    """Train a network to tell these people apart, in about a minute, and write it as a TF1 checkpoint.

    Args:
        folder: folder of the checkpoint.
        faces: folder with one folder per person.
        image_size: image side in pixels.

    Returns:
        The checkpoint's prefix.
    """
    dataset = scan(faces).dataset
    sample = [dataset.paths[i] for i in np.random.default_rng(SEED).permutation(len(dataset))[:BATCH_NORM_IMAGES]]
    model = drawn(sample, image_size, dataset.class_names)
    contract, augment = model.preprocessing, Augment(random_flip=True)

    def batches(epoch: Epoch) -> Iterator[Batch]:
        images = training_batches(
            dataset,
            Drawing(SEED, 0, epoch.number),
            preprocessing=contract,
            augment=augment,
            batch_size=BATCH_SIZE,
        )
        rows = np.split(epoch.order, range(BATCH_SIZE, len(dataset), BATCH_SIZE))
        pairs = zip(images, rows, strict=True)
        return (Batch(standardize(pixels, contract.standardization), labels, of) for (pixels, labels), of in pairs)

    sampler = Sampler(PRETRAINING, dataset.labels, BATCH_SIZE, SEED, 0)
    train(Trainer(model, PRETRAINING), StageState(), Data(batches, sampler), Run(key=0))
    _take_statistics(model, sample)
    return model.save(folder, NAME)


def drawn(images: Sequence[Path], image_size: int, classes: Sequence[str] | int) -> Model:
    """Make a model with random weights and the batch statistics of some images.

    Args:
        images: image files.
        image_size: image side in pixels.
        classes: names of the head's classes, or their number.
    """
    contract = Preprocessing(image_size, "fixed")
    model = Model.fresh(BACKBONE, EMBEDDING_SIZE, classes, preprocessing=contract, seed=SEED)
    statistics = [name for name in model.variables if BACKBONE.is_statistic(name)]
    # Moving on from zeros, the statistics are taken over without rounding.
    model.assign({name: np.zeros_like(value) for name, value in model.tensors(statistics).items()})
    _take_statistics(model, images)
    return model


def _take_statistics(model: Model, images: Sequence[Path]) -> None:
    """Set the moving statistics of every layer to the statistics of these images."""
    pixels = network_inputs(images, model.preprocessing)
    without_past = dataclasses.replace(BACKBONE, batch_norm=BACKBONE.batch_norm._replace(decay=0.0))
    inputs = standardize(pixels, model.preprocessing.standardization)
    network.forward_pass(without_past, inputs, model.variables, batch_norm="train")
    model.weights_changed()
