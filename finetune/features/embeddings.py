"""Embeddings by way of the store: each image is embedded once, by whoever comes first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune import network
from finetune.dataset.pipeline import evaluation_batches
from finetune.features.frozen import FILL_BATCH, fill, shelf
from finetune.model import LOGITS, Model


def embeddings(model: Model, paths: Sequence[Path], keys: Sequence[bytes]) -> npt.NDArray[np.float32]:
    """Embeddings of images that can be read, cropped centrally.

    What is kept are prelogits, on the shelf that a stage trains its head from: a run after this
    computes none of them again, nor does this after a run.

    Args:
        keys: `image_digest` of each path; images of one digest are embedded once.

    Returns:
        float32 [n, embedding_size], rows of unit length.

    Raises:
        RunError: an image can no longer be read.
    """
    kept = shelf(model, LOGITS, set(keys))
    missing = {key: path for key, path in zip(keys, paths, strict=True) if key not in kept}
    if missing:
        images = list(missing.values())
        batches = evaluation_batches(images, preprocessing=model.preprocessing, batch_size=FILL_BATCH)
        fill(kept, model.prefix(LOGITS), list(missing), batches)
    return np.asarray(network.l2_normalize(kept.read(keys)))
