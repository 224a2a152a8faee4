"""The main job on made-up data: drawn faces, a full checkpoint that has never seen them, two stages.

Nothing is downloaded. The checkpoint is a whole Inception-ResNet-v1 with drawn weights whose batch
statistics are those of drawn faces: random features, but real ones, in the real format. The people
of the pairs are not those that are learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from finetune import checkpoint as checkpoints
from finetune import network
from finetune.dataset.images import central_crop, read_image
from finetune.dataset.pipeline import standardize
from finetune.dataset.scan import find_images
from finetune.dataset.synthetic import write_faces, write_pairs
from finetune.errors import UserError
from finetune.model import initial_value
from finetune.preprocessing import FILE_NAME, Preprocessing
from finetune.recipe import Recipe
from finetune.resources import find
from finetune.runs import StageResult, run

SEED = 20180402
IMAGE_SIZE = 160
EMBEDDING_SIZE = 512
OLD_CLASSES = 100
"""Of the checkpoint's own classifier, which is skipped."""
LEARNED = range(1, 25)
STRANGERS = range(101, 141)
IMAGES_PER_PERSON = 12


def demo(output: Path) -> Sequence[StageResult]:
    """Makes the data in `output/data` and `output/checkpoint`, runs `recipes/demo.yaml` into `output/run`.

    Raises:
        UserError: `output` is in use.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"{output}: already there and not an empty folder; give another, or remove it")
    faces, strangers, pairs = (output / "data" / name for name in ("faces", "strangers", "pairs.txt"))
    write_faces(faces, people=LEARNED, images_per_person=IMAGES_PER_PERSON, size=IMAGE_SIZE, seed=SEED)
    write_faces(strangers, people=STRANGERS, images_per_person=IMAGES_PER_PERSON // 2, size=IMAGE_SIZE, seed=SEED)
    write_pairs(pairs, strangers, folds=10, pairs_per_fold=30, seed=SEED)
    write_checkpoint(output / "checkpoint", find_images(strangers)[:64])
    settings = {
        "checkpoint": output / "checkpoint",
        "data.train": faces,
        "lfw.dir": strangers,
        "lfw.pairs": pairs,
        "output": output / "run",
    }
    recipe = Recipe.load(find("recipes/demo.yaml"), settings)
    return run(recipe)


def write_checkpoint(folder: Path, images: Sequence[Path], image_size: int = IMAGE_SIZE) -> Path:
    """Writes a TF1 checkpoint of drawn weights, with the batch statistics of these images."""
    shapes = network.variable_shapes(EMBEDDING_SIZE, OLD_CLASSES)
    variables = {name: tf.Variable(initial_value(name, shape, SEED)) for name, shape in shapes.items()}
    pixels = np.stack([central_crop(read_image(path), image_size) for path in images])
    network.forward(standardize(pixels, "fixed"), variables, batch_norm_training=True, batch_norm_decay=0.0)
    return checkpoints.write(
        folder,
        "demo",
        0,
        {name: variable.numpy() for name, variable in variables.items()},
        {FILE_NAME: Preprocessing(image_size, "fixed").to_text()},
    )
