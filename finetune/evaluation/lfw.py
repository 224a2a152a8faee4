"""A model's result on LFW, or on any pairs file in its form."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune.evaluation.pairs import ImagePairs
from finetune.evaluation.protocol import evaluate_pairs
from finetune.evaluation.result import Distance, LFWResult

Embed = Callable[[Sequence[Path], bool], npt.NDArray[np.float32]]
"""Embeds images: paths and whether to flip to [n, E], a row a path; flipped, [n, 2E], mirror image beside."""


def measure(
    embed: Embed,
    image_pairs: ImagePairs,
    *,
    distance: Distance = "euclidean",
    subtract_mean: bool = False,
    flip: bool = False,
) -> LFWResult:
    """FaceNet's protocol on the pairs' images, each embedded once, however many pairs name it.

    Args:
        embed: called once, with `image_pairs.paths` and `flip`; must give a row a path.
        image_pairs: what `finetune.evaluation.resolve` gave.
        distance: as `evaluate_pairs` takes it.
        subtract_mean: likewise.
        flip: embed each image's mirror image too, and compare both side by side.

    Raises:
        DataError: the pairs can't be evaluated, such as too few for the folds; one line for each reason.
        ValueError: `embed` left images out.
    """
    embeddings = embed(image_pairs.paths, flip)
    if len(embeddings) != len(image_pairs.paths):
        raise ValueError(f"embed gave {len(embeddings)} rows for {len(image_pairs.paths)} images")
    result = evaluate_pairs(
        embeddings[image_pairs.index1],
        embeddings[image_pairs.index2],
        image_pairs.is_same,
        distance=distance,
        subtract_mean=subtract_mean,
        n_folds=image_pairs.n_folds,
    )
    return dataclasses.replace(
        result, flip=flip, notes=image_pairs.notes + result.notes, pairs_sha256=image_pairs.sha256
    )
