"""The writing of checkpoints as a TF1 Saver does: values by variable name, readable by TensorFlow 1 and 2."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finetune.backbones import NETWORK_FILE, Backbone
from finetune.checkpoint.formats import refuse_pattern
from finetune.checkpoint.location import CLASS_NAMES, STATE_FILE
from finetune.errors import Problem, RunError
from finetune.images import PREPROCESSING_FILE, Preprocessing

if TYPE_CHECKING:
    import tensorflow as tf


def write(
    folder: str | Path,
    name: str,
    step: int,
    tensors: Mapping[str, np.ndarray],
    beside: Mapping[str, str] | None = None,
) -> Path:
    """Write `model-NAME.ckpt-STEP.{index,data-00000-of-00001}` and `checkpoint` into a folder.

    The same tensors give the same bytes. Every file is complete before it gets its name. The `checkpoint` file, which
    names the others, comes last.

    Args:
        folder: folder, which is made if it doesn't exist.
        name: NAME.
        step: STEP, as FaceNet counts: the number of batches trained on.
        tensors: values by TF1 name.
        beside: additional text files, by file name.

    Returns:
        The prefix, `folder/model-NAME.ckpt-STEP`.

    Raises:
        CheckpointError: TensorFlow can't open checkpoints under this path.
        RunError: the disk is full, or the folder can't be written; nothing half-written is left.
    """
    import tensorflow as tf

    folder = Path(folder)
    prefix = folder / f"model-{name}.ckpt-{step}"
    refuse_pattern(prefix)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".writing-") as temporary:
            unfinished = Path(temporary)
            _save(unfinished / prefix.name, tensors)
            texts = {**(beside or {}), STATE_FILE: _state(prefix.name)}
            for file, text in texts.items():
                (unfinished / file).write_text(text, encoding="utf-8", newline="\n")
            files = (f"{prefix.name}.data-00000-of-00001", f"{prefix.name}.index", *texts)
            for file in files:
                _sync(unfinished / file)
            for file in files:
                os.replace(unfinished / file, folder / file)
    except (OSError, tf.errors.OpError) as error:
        raise RunError(
            Problem(prefix, f"can't be written ({reason_of(error)})", "make room, or choose another folder")
        ) from error
    return prefix


def published_form(name: str) -> str:
    """Return a NAME with only the characters that the published scripts' pattern for checkpoints allows."""
    return re.sub(r"[^\w\- ]", "_", name) or "finetuned"


def texts(backbone: Backbone, preprocessing: Preprocessing, class_names: Sequence[str]) -> dict[str, str]:
    """Return the text files beside a checkpoint's weights, by name.

    They are the preprocessing, class names if known, and the description of a network of the user's own.
    """
    own = {NETWORK_FILE: backbone.description} if backbone.description else {}
    names = {CLASS_NAMES: "".join(f"{name}\n" for name in class_names)} if class_names else {}
    return {PREPROCESSING_FILE: preprocessing.to_text(), **names, **own}


def _save(prefix: Path, tensors: Mapping[str, np.ndarray]) -> None:
    import tensorflow as tf

    names = sorted(tensors)
    with tf.device("CPU"):
        tf.raw_ops.SaveV2(
            prefix=str(prefix),
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=[tf.constant(tensors[name]) for name in names],
        )


def _sync(path: Path) -> None:
    """Flush a file to disk, so that a power failure never leaves its name without its bytes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _state(name: str) -> str:
    """Return the `checkpoint` file's text, with a path relative to the folder, so that the folder can be moved."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'model_checkpoint_path: "{quoted}"\nall_model_checkpoint_paths: "{quoted}"\n'


def reason_of(error: OSError | tf.errors.OpError) -> str:
    """Return the operating system's reason for an error, without the paths and the op that TensorFlow adds."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return error.message.split("; ")[-1].split(" [Op:")[0]
