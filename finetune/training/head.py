"""Classifier made from the people's mean embeddings, without training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles, Labels, class_means

Floats = npt.NDArray[np.float32]

SCALES = np.geomspace(1.0, 256.0, 33)
"""Candidates for the scale, which sets how steeply the logits fall with distance."""
SAMPLE = 10_000
"""Largest number of images used to choose the scale."""


def prototypes(prelogits: Floats, labels: Labels, n_classes: int) -> tuple[Floats, Floats]:
    """Make a softmax classifier that predicts the nearest class mean (Snell et al. 2017, "Prototypical networks").

    Its logits are -scale / 2 times the squared distance of the embedding to each mean, up to a constant. The embedding
    is approximated by the prelogits divided by their mean norm, because the norms differ little. The scale is the one
    in `SCALES` with the lowest cross-entropy on these images. For this, each image is left out of its own class mean.

    Args:
        prelogits: prelogits of the training images, [n, E].
        labels: class of each image, int64 [n]. Each of the `n_classes` occurs at least once.
        n_classes: number of classes, from 2.

    Returns:
        Weights [E, n_classes] and biases [n_classes], for prelogits.
    """
    norms = np.maximum(np.linalg.norm(prelogits, axis=1, keepdims=True), 1e-10)
    embeddings = (prelogits / norms).astype(np.float64)
    means = class_means(embeddings, labels, n_classes)
    scale = _scale(embeddings, labels, means, np.bincount(labels, minlength=n_classes))
    weights = scale * means.T / norms.mean()
    return weights.astype(np.float32), (-scale / 2 * (means**2).sum(1)).astype(np.float32)


def _scale(embeddings: Doubles, labels: Labels, means: Doubles, counts: Labels) -> float:
    """Return the scale with the lowest cross-entropy, with each image left out of its own class mean."""
    able = np.flatnonzero(counts[labels] > 1)
    if not len(able):
        return float(SCALES[len(SCALES) // 2])
    able = able[:: -(-len(able) // SAMPLE)]
    own, counted = labels[able], counts[labels[able]][:, np.newaxis]
    rows = np.arange(len(able))
    without = (means[own] * counted - embeddings[able]) / (counted - 1)
    similarity = embeddings[able] @ means.T - (means**2).sum(1) / 2
    similarity[rows, own] = (embeddings[able] * without).sum(1) - (without**2).sum(1) / 2
    losses = []
    for scale in SCALES:
        logits = scale * (similarity - similarity.max(1, keepdims=True))
        losses.append(float(np.mean(np.log(np.exp(logits).sum(1)) - logits[rows, own])))
    return float(SCALES[int(np.argmin(losses))])
