"""A format of weights: the recognition of its file and the reading of its variables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np


@dataclasses.dataclass(frozen=True)
class Variables:
    """The variables of files that are open for reading.

    Attributes:
        shapes: shapes of all stored variables, by TF1 name.
        dtypes: types of all stored variables, by TF1 name.
        get: function that reads the values of one variable as stored.
    """

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, np.dtype]
    get: Callable[[str], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Format:
    """A format that checkpoints are read from.

    Attributes:
        name: name in `finetune inspect --json`.
        title: name in messages.
        suffix: suffix of its single file. Empty for TF1, which has several files, recognised by names and contents.
        open: function from the checkpoint's prefix and files to their variables. For files that can't be read, it
            raises `CheckpointError` or one of the exceptions of `damage()`.
    """

    name: str
    title: str
    suffix: str
    open: Callable[[Path, tuple[Path, ...]], Variables]


def damage() -> tuple[type[Exception], ...]:
    """Return the exceptions of TensorFlow and protobuf for damaged files, found by damaging files."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    return (tf.errors.OpError, DecodeError, ValueError, TypeError, RuntimeError, IndexError, OSError)
