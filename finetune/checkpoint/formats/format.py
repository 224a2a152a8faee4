"""A format of weights: the recognition of its file and the reading of its variables."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np


@dataclasses.dataclass(frozen=True)
class Variables:
    """The variables of files that are open for reading.

    Attributes:
        shapes: shapes of all stored variables, by name.
        dtypes: types of all stored variables, by name.
        get: function that reads the values of one variable as stored.
        remarks: remarks on names and values that differ from those in the files.
        skipped: names of tensors in the files that are left out of `shapes`, with reasons.
    """

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, np.dtype]
    get: Callable[[str], np.ndarray]
    remarks: tuple[str, ...] = ()
    skipped: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Format:
    """A format that checkpoints are read from.

    Attributes:
        name: name in `finetune inspect --json`.
        title: name in messages.
        suffixes: suffixes of its single file. None for formats with several files.
        open: function from the checkpoint's prefix and files to their variables. For files that can't be read, it
            raises `CheckpointError` or one of the exceptions of `damage()`.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    open: Callable[[Path, tuple[Path, ...]], Variables]


def damage() -> tuple[type[Exception], ...]:
    """Return the exceptions of our readers, of TensorFlow and of protobuf for damaged files, found by damaging files.

    TensorFlow and protobuf are not imported for this. Where they are not, they have raised nothing.
    """
    ours = (ValueError, TypeError, RuntimeError, IndexError, OSError)
    tensorflow, protobuf = sys.modules.get("tensorflow"), sys.modules.get("google.protobuf.message")
    theirs = [tensorflow.errors.OpError] if tensorflow else []
    theirs += [protobuf.DecodeError] if protobuf else []
    return (*ours, *theirs)
