"""Runs of an export by finetune itself: for formats that no other program reads, or none that is installed."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from scipy.special import softmax

from finetune import __version__
from finetune.errors import CheckpointError, ExportFailed, Problem
from finetune.export.formats import Format
from finetune.export.process import Answer
from finetune.model import Model


def answer(format: Format, folder: Path, pixels: np.ndarray, *, head: bool, flip: bool = False) -> Answer:
    """Restore an export from its file, and run it on pixels.

    Args:
        format: format of the export.
        folder: folder of the export.
        pixels: images, uint8 [n, s, s, c].
        head: whether to return logits and probabilities too.
        flip: whether to append the embeddings of the mirror images to those of the images.

    Raises:
        ExportFailed: the export can't be restored.
    """
    try:
        model = Model.restore(next(folder.glob(f"*{format.suffix}")))
    except CheckpointError as error:
        raise ExportFailed(Problem("", f"finetune can't read it back ({error})")) from error
    start = time.perf_counter()
    outputs = {"embeddings": model.embed(np.asarray(pixels), flip=flip)}
    seconds = time.perf_counter() - start
    if head:
        outputs["logits"] = model.logits(np.asarray(pixels))
        outputs["probabilities"] = softmax(outputs["logits"].astype(np.float64), axis=1)
    why = f"; {format.python}=PYTHON names one with {format.proof[-1]}" if format.python else ""
    return Answer(outputs, f"read back by finetune {__version__} alone{why}", seconds)
