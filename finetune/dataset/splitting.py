"""Holding back some of each person's images for validation, and some people from training altogether."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from finetune.dataset.scanning import Dataset
from finetune.names import first_spellings, normal


def split_validation(dataset: Dataset, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """Splits by the images of each person, as the published `SPLIT_IMAGES` does.

    Of a person's n images, n - floor(n (1 - fraction)) are held back, at least one and never all;
    a person with one image stays in training. They are drawn by (seed, person's name), so that
    adding a person changes nobody else's split.

    Args:
        fraction: of each person's images, in [0, 1); 0 holds back none.
        seed: 0 or more.

    Returns:
        Training and validation, both with all of `dataset`'s class names and in its order.
    """
    # As it was written, in decimals: 100 (1 - 0.07) is 92.99… in binary, and would hold back 8.
    share = Fraction(str(fraction))
    held_back = np.zeros(len(dataset.labels), dtype=bool)
    ends = np.cumsum(np.bincount(dataset.labels, minlength=len(dataset.class_names)))
    by_person = np.split(np.argsort(dataset.labels, kind="stable"), ends[:-1])
    for name, images in zip(dataset.class_names, by_person, strict=True):
        count = min(math.ceil(len(images) * share), len(images) - 1)
        held_back[generator_of(seed, name).permutation(images)[:count]] = True
    return dataset.take(np.flatnonzero(~held_back)), dataset.take(np.flatnonzero(held_back))


def hold_out(dataset: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Hold people out, each by a draw of their own: (seed, person's name), so that adding a person moves nobody else.

    A name in several spellings may be one person: the draw of the first spelling decides for all of them.

    Args:
        share: of the people, above 0, below 1; how many it are is left to chance.
        seed: 0 or more.

    Returns:
        Those who stay and those who are held out, each with class names of their own.
    """
    out = {name for name, place in places(dataset.class_names, seed).items() if place < share}
    return dataset.of_people(set(dataset.class_names) - out), dataset.of_people(out)


def places(class_names: Sequence[str], seed: int) -> dict[str, float]:
    """Return the share up to which each person stays in training; any larger one holds them out."""
    # Not by the draw of `finetune split`: of a part of its making, some shares would hold nobody out.
    first = first_spellings(class_names)
    return {name: float(generator_of(seed, f"held out: {first[name]}").random()) for name in first}


def generator_of(seed: int, name: str) -> np.random.Generator:
    """Make a person's own generator: what it draws depends on nobody else, and not on the name's Unicode form."""
    return np.random.default_rng([seed, *normal(name).encode()])
