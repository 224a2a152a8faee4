"""The split of validation images from training images, and of held-out people from the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from finetune.dataset.scanning import Dataset
from finetune.names import first_spellings, normal


def split_validation(dataset: Dataset, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """Split the images of each person into training and validation, as the published `SPLIT_IMAGES` does.

    Of a person's n images, n - floor(n (1 - fraction)) are held back: at least one, and never all. A person with one
    image stays in training. The images are drawn by (seed, person's name): adding a person changes nobody else's split.

    Args:
        dataset: images to split.
        fraction: share of each person's images to hold back, in [0, 1); 0 holds back none.
        seed: seed of the draw, 0 or more.

    Returns:
        Training images and validation images, both with all class names of `dataset` and in its order.
    """
    # The decimal value counts: in binary, 100 (1 - 0.07) is 92.99…, which would hold back 8 images.
    share = Fraction(str(fraction))
    held_back = np.zeros(len(dataset.labels), dtype=bool)
    if not fraction:
        return dataset, dataset.take(np.flatnonzero(held_back))
    ends = np.cumsum(np.bincount(dataset.labels, minlength=len(dataset.class_names)))
    by_person = np.split(np.argsort(dataset.labels, kind="stable"), ends[:-1])
    for name, images in zip(dataset.class_names, by_person, strict=True):
        count = min(math.ceil(len(images) * share), len(images) - 1)
        held_back[generator_of(seed, name).permutation(images)[:count]] = True
    return dataset.take(np.flatnonzero(~held_back)), dataset.take(np.flatnonzero(held_back))


def hold_out(dataset: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Hold out people, each drawn by (seed, person's name): adding a person moves nobody else.

    Several spellings of a name may mean one person. The draw of the first spelling decides for all of them.

    Args:
        dataset: images to split.
        share: expected share of the people to hold out, above 0, below 1; the number is left to chance.
        seed: seed of the draw, 0 or more.

    Returns:
        Images of the remaining people and images of the held-out people, each with their own class names.
    """
    out = {name for name, place in places(dataset.class_names, seed).items() if place < share}
    return dataset.of_people(set(dataset.class_names) - out), dataset.of_people(out)


def places(class_names: Sequence[str], seed: int) -> dict[str, float]:
    """Return each person's draw, in [0, 1): the largest `share` of `hold_out` that keeps them in training."""
    # The draw differs from that of `finetune split`. Otherwise some shares would hold out nobody in a part made by it.
    first = first_spellings(class_names)
    return {name: float(generator_of(seed, f"held out: {first[name]}").random()) for name in first}


def generator_of(seed: int, name: str) -> np.random.Generator:
    """Return a person's own generator, independent of other people and of the name's Unicode form."""
    return np.random.default_rng([seed, *normal(name).encode()])
