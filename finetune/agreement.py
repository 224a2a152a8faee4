"""Agreement of one network's outputs in two runtimes, and how far they may differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from finetune.errors import ExportFailed, Problem


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """Tolerance of a certificate.

    Attributes:
        difference: largest allowed difference of any value of an embedding.
        cosine: smallest allowed cosine between an embedding and the expected one.
        head: largest allowed difference of any probability, and of any logit as a share of the largest logit.
        lfw_accuracy: largest allowed difference of the accuracy on LFW; None allows any.
    """

    difference: float
    cosine: float
    head: float
    lfw_accuracy: float | None


# Correct runtimes differ by about 1e-7. A 10 % error in one value of one batch normalization makes 2e-5 or more.
FLOAT32 = Tolerance(1e-5, 0.99999, 1e-4, 0.0005)


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Differences between an output and the expected output, over all images.

    Attributes:
        largest_difference: largest difference of any value; for logits, as a share of the largest logit.
        smallest_cosine: smallest cosine of any row; None for outputs other than embeddings.
    """

    largest_difference: float
    smallest_cosine: float | None = None


def agreements(expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> dict[str, Agreement]:
    """Compare outputs by name.

    Raises:
        ExportFailed: the names or the shapes of the outputs differ.
    """
    shapes = [{name: list(values.shape) for name, values in of.items()} for of in (expected, found)]
    if shapes[0] != shapes[1]:
        raise ExportFailed(Problem("", f"it gives {shapes[1]} where {shapes[0]} are expected"))
    result = {}
    for name, values in expected.items():
        a, b = values.astype(np.float64), found[name].astype(np.float64)
        scale = max(float(np.abs(a).max()), 1e-30) if name == "logits" else 1.0
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosines = (a * b).sum(1) / np.maximum(lengths, 1e-30)
        cosines[(a == b).all(1)] = 1.0  # a network whose last layer has ReLU may give zeros for both
        cosine = float(cosines.min()) if name == "embeddings" else None
        result[name] = Agreement(float(np.abs(a - b).max()) / scale, cosine)
    return result


def disagreements(found: Mapping[str, Agreement], tolerance: Tolerance) -> list[str]:
    """Return one message per value outside the tolerance."""
    told = []
    for name, agreement in found.items():
        allowed = tolerance.difference if name == "embeddings" else tolerance.head
        if not agreement.largest_difference <= allowed:  # NaN is a problem too
            told.append(f"{name} differ by {agreement.largest_difference:.1e}, {allowed:g} allowed")
        if agreement.smallest_cosine is not None and not agreement.smallest_cosine >= tolerance.cosine:
            told.append(f"a cosine of {agreement.smallest_cosine:.6f}, {tolerance.cosine:g} is the least allowed")
    return told
