"""Embeddings by way of the store: each image is embedded once, by whoever comes first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from finetune import network
from finetune.embedding.central import CentralFeatures
from finetune.model import LOGITS, Model
from finetune.recipe import Cache


def embeddings(
    model: Model,
    paths: Sequence[Path],
    digests: Sequence[bytes] | None = None,
    cache: Cache = "auto",
    *,
    flip: bool = False,
) -> npt.NDArray[np.float32]:
    """Embeddings of images that can be read, cropped centrally.

    What is kept are prelogits, on the shelf that a stage trains its head from: a run after this
    computes none of them again, nor does this after a run.

    Args:
        digests: `image_digest` of each path, where they are known; images of one digest are embedded once.
        cache: as a recipe has it.
        flip: append the embedding of the mirror image.

    Returns:
        float32 [n, embedding_size], rows of unit length; [n, 2 * embedding_size] with `flip`.

    Raises:
        RunError: an image can no longer be read.
    """
    sides = (False, True) if flip else (False,)
    return np.concatenate([unit(prelogits(model, paths, digests, cache, flip=side)) for side in sides], axis=1)


def prelogits(
    model: Model,
    paths: Sequence[Path],
    digests: Sequence[bytes] | None = None,
    cache: Cache = "auto",
    *,
    flip: bool = False,
) -> npt.NDArray[np.float32]:
    """What `embeddings` brings to unit length, and a checkpoint's own classifier takes: float32 [n, embedding_size]."""
    return CentralFeatures(model, LOGITS, paths, digests=digests, flip=flip, cache=cache).embed(np.asarray)


def unit(prelogits: tf.Tensor | npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Embeddings of unit length, [b, embedding_size]."""
    return np.asarray(network.l2_normalize(prelogits))
