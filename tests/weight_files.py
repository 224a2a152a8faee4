"""Files of weights for the tests: a small Keras model with its weights by name, and what a format reads."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

from finetune.checkpoint.formats import Format
from finetune.checkpoint.location import Located
from finetune.checkpoint.stored import StoredCheckpoint, read
from finetune.errors import CheckpointError
from tests.mutants import mutated


def small(*, trained: bool = False) -> Any:
    """Return a model with a model in it, and random weights; `trained` gives it an optimizer."""
    import keras

    kinds = keras.layers
    images = keras.Input((8, 8, 3), name="images")
    net = kinds.Conv2D(4, 3, use_bias=False, name="stem")(images)
    net = kinds.BatchNormalization(scale=False, name="stem_norm")(net)
    inner = [keras.Input((6, 6, 4)), kinds.Conv2D(2, 1, name="inside"), kinds.BatchNormalization(name="inside_norm")]
    net = keras.Sequential(inner, name="block")(net)
    net = kinds.BatchNormalization(center=False, name="last_norm")(kinds.Conv2D(3, 3, name="last")(net))
    net = kinds.Dropout(0.5, seed=1, name="drop")(kinds.GlobalAveragePooling2D(name="pool")(net))
    model = keras.Model(images, kinds.Dense(2, name="head")(net), name="small")
    generator = np.random.default_rng(0)
    model.set_weights([generator.normal(size=value.shape) for value in model.get_weights()])
    if trained:
        model.compile("adam", "mse")
        model.optimizer.build(model.trainable_variables)
    return model


def weights(model: Any) -> dict[str, np.ndarray]:
    """Return the values of a model's weights by the names of layer and weight, as Keras gives them."""
    found: dict[str, np.ndarray] = {}
    for layer in model.layers:
        own = layer.layers and weights(layer) if hasattr(layer, "layers") else None
        found |= own or {f"{layer.name}/{one.name}": np.asarray(one) for one in layer.weights}
    return found


def opened(form: Format, path: Path) -> StoredCheckpoint:
    """Open a file in a format, whatever formats are registered."""
    return read(Located(form, path, (path,)))


def values(form: Format, path: Path) -> dict[str, np.ndarray]:
    """Return all values of a file by name."""
    stored = opened(form, path)
    assert set(stored.shapes) == set(stored.dtypes)
    found = {name: stored.tensor(name) for name in stored.shapes}
    assert all(
        found[name].shape == shape and found[name].dtype == stored.dtypes[name] for name, shape in stored.shapes.items()
    )
    return found


def raw(form: Format, path: Path) -> dict[str, np.ndarray]:
    """Return all values of a file by the file's own names."""
    found = form.open(path, (path,))
    return {name: found.get(name) for name in found.shapes}


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Assert that the same names have the same values."""
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def problem(form: Format, path: Path) -> str:
    """Return the only problem of a file, which names the file and is one line."""
    try:
        values(form, path)
    except CheckpointError as error:
        (line,) = map(str, error.problems)
        assert line.startswith(str(path))
        assert line.isprintable()
        return line
    raise AssertionError(f"{path} was read")


def refused_mutants(form: Format, path: Path) -> int:
    """Read 200 mutants of a file, and return the number of those that are refused in lines."""
    whole, generator, refused = path.read_bytes(), random.Random(5), 0
    for _ in range(200):
        path.write_bytes(mutated(whole, generator))
        try:
            values(form, path)
        except CheckpointError:
            refused += 1
    return refused
