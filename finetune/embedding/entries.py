"""Entries of the cache for what a model's first units give: whether there is one, its name, and how it is filled."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Sequence
from importlib import metadata

import numpy as np
import PIL
import tensorflow as tf

from finetune import __version__, network
from finetune.architecture import UNITS, unit_of
from finetune.embedding.cache import Entry, VectorCache, entry_name
from finetune.embedding.placement import Choice, choose
from finetune.model import Model
from finetune.recipe import Cache, Recipe

FILL_BATCH = 96
"""Images that are decoded and computed at a time."""
SEGMENT = 64 * 2**20
"""Bytes that are computed before they are written, at most."""
SEGMENT_SECONDS = 30.0
"""Seconds of computing before it is written: with `SEGMENT`, what a kill can cost."""


def choice(model: Model, recipe: Recipe, first: int, n_train: int, n_validation: int) -> Choice:
    """Return whether the features of a stage that trains from unit `first` are kept, and where."""
    vectors = n_train * (recipe.augment.views or 1) + n_validation
    return choice_of(model, recipe.cache, first, vectors, recipe.augment.draws and not recipe.augment.views)


def choice_of(model: Model, cache: Cache, first: int, vectors: int, augmented: bool = False) -> Choice:
    """Return whether so many vectors of what the units `UNITS[:first]` give are kept, and where."""
    return choose(
        cache,
        vectors=vectors,
        values=int(np.prod(shape_of(model, first))) if first else 0,
        multiply_adds=sum(network.multiply_adds(*sizes(model))[:first]),
        augmented=augmented,
        disk_room=VectorCache().room(),
    )


def sizes(model: Model) -> tuple[int, int, int]:
    """Return the values of an embedding, classes (0 without a head) and pixels of a side: shapes and costs follow."""
    return model.embedding_size, model.num_classes or 0, model.preprocessing.image_size


def shape_of(model: Model, first: int) -> tuple[int, ...]:
    """Return the shape of what unit `first` takes of one image."""
    return network.output_shapes(*sizes(model))[first - 1]


def name_of(model: Model, first: int) -> str:
    """Return the name of the entry for what the units `UNITS[:first]` give: a digest of all that it depends on."""
    frozen = [name for name in model.variables if UNITS.index(unit_of(name) or "") < first]
    return entry_name(
        model.digests(frozen),
        cut=UNITS[first],
        image_size=model.preprocessing.image_size,
        standardization=model.preprocessing.standardization,
        precision=model.precision,
        versions=[__version__, tf.__version__, PIL.__version__],
        runtime=model.runtime if model.runtime == "tensorflow" else [model.runtime, metadata.version(model.runtime)],
        onednn=os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
        device=[device.device_type for device in tf.config.list_physical_devices()],
    )


def open_entry(model: Model, first: int, keys: Collection[bytes], name: str | None = None) -> Entry:
    """Open the entry on disk for what the units `UNITS[:first]` give; it is to hold these keys.

    Args:
        name: what `name_of` gives, where it is known.
    """
    return VectorCache().entry(name or name_of(model, first), shape_of(model, first), keys)


def stored_entry(model: Model, first: int) -> Entry:
    """Return what the cache holds of what the units `UNITS[:first]` give, to be looked at: no room is made for more."""
    return Entry(VectorCache().folder / name_of(model, first), shape_of(model, first))


def fill(entry: Entry, computed: Iterable[tuple[Sequence[bytes], np.ndarray]]) -> None:
    """Add to an entry in segments; what ends this early loses nothing that was computed.

    Args:
        computed: keys, and the vector of each, [b, ...]; computed as it is asked for.
    """
    waiting: list[tuple[Sequence[bytes], np.ndarray]] = []

    def keep() -> None:
        entry.add([key for keys, _ in waiting for key in keys], np.concatenate([vectors for _, vectors in waiting]))
        waiting.clear()

    written = time.monotonic()
    try:
        for part in computed:
            waiting.append(part)
            full = sum(vectors.nbytes for _, vectors in waiting) >= SEGMENT
            if full or time.monotonic() - written >= SEGMENT_SECONDS:
                keep()
                written = time.monotonic()
    finally:
        if waiting:
            keep()
