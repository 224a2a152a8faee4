"""A format of weights: how its file is told, and how its variables are read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np


@dataclasses.dataclass(frozen=True)
class Variables:
    """The variables of files that are open for reading.

    Attributes:
        shapes: of every stored variable, by TF1 name.
        dtypes: likewise.
        get: reads the values of one variable, as they are stored.
    """

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, np.dtype]
    get: Callable[[str], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Format:
    """A format that checkpoints are read from.

    Attributes:
        name: as `finetune inspect --json` gives it.
        title: as messages name it.
        suffix: of its single file; empty for TF1's, which has several files and is told by their names and contents.
        open: opens the files, given with the checkpoint's prefix, and returns their variables. It raises
            `CheckpointError`, or one of the exceptions of `damage()`, where they can't be read.
    """

    name: str
    title: str
    suffix: str
    open: Callable[[Path, tuple[Path, ...]], Variables]


def damage() -> tuple[type[Exception], ...]:
    """Return what TensorFlow and protobuf raise over damaged files, found by damaging them."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    return (tf.errors.OpError, DecodeError, ValueError, TypeError, RuntimeError, IndexError, OSError)
