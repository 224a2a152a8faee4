"""Embeddings of templates, and their verification by a list of pairs (1:1), as for IJB-B and IJB-C."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from finetune.arrays import Doubles, Floats, class_means, class_sums, unit_rows
from finetune.errors import DataError
from finetune.verification.pairs import ImagePairs
from finetune.verification.protocols import by_name
from finetune.verification.result import VerificationResult
from finetune.verification.template_lists import TemplatePairs, Templates

FARS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""False accept rates that IJB's evaluations report."""


def pool(embeddings: Floats, templates: Templates) -> Doubles:
    """Return one embedding of unit length per template: [n, E] to float64 [t, E].

    The embeddings of each media are averaged, so that a video counts as much as a photo. The means of a template's
    media are summed, and the sum is scaled to unit length. This is what insightface's evaluation of IJB does
    (`image2template_feature`). The features are of unit length here, and not weighted by a detection score.

    Args:
        embeddings: embedding of each line's image, [n, E].
        templates: the lines' templates and media.
    """
    lines = np.stack([templates.templates, templates.media], axis=1)
    own, places = np.unique(lines, axis=0, return_inverse=True)  # [n, 2] -> [media of templates, 2]
    of_media = class_means(embeddings, places.reshape(-1), len(own))  # [n, E] -> [media of templates, E]
    return unit_rows(class_sums(of_media, own[:, 0], len(templates.names)))


def template_pairs(templates: Templates, pairs: TemplatePairs, where: str | Path) -> ImagePairs:
    """Return pairs of templates in the form that protocols take. Each template stands for an image.

    Raises:
        DataError: the pairs name templates that have no images; `where` is their file.
    """
    first, second = (templates.rows(names, where) for names in (pairs.first, pairs.second))
    return ImagePairs(tuple(map(Path, templates.names)), first, second, pairs.is_same, n_folds=1)


def verify_templates(pooled: Doubles, pairs: ImagePairs, fars: Sequence[float]) -> VerificationResult:
    """Verify pairs of templates at fixed false accept rates over all pairs, with squared Euclidean distances.

    Args:
        pooled: embeddings of the templates, [t, E], from `pool`.
        pairs: result of `template_pairs`.
        fars: false accept rates, such as those of `FARS` that `possible_fars` returns.

    Raises:
        DataError: the pairs are too few for a rate, or are all of one kind.
    """
    refuse_few_pairs(pairs, fars, "template pairs")
    protocol = by_name("fixed_far", far=tuple(fars))
    return protocol.evaluate(pooled, pairs, distance="euclidean", subtract_mean=False)


def refuse_few_pairs(pairs: ImagePairs, fars: Sequence[float] | None, where: str | Path) -> None:
    """Refuse pairs that are too few for the rates; without rates, too few for any of `FARS`.

    Raises:
        DataError: the pairs are too few for a rate, or are all of one kind.
    """
    asked = tuple(fars or possible_fars(pairs) or FARS[:1])
    problems = [*by_name("fixed_far", far=asked).needs(pairs, where, subtract_mean=False)]
    if problems:
        raise DataError(*problems)


def possible_fars(pairs: ImagePairs) -> tuple[float, ...]:
    """Return the rates of `FARS` that the pairs of two people can tell: one of n pairs, at least."""
    n_different = int(np.count_nonzero(~pairs.is_same))
    return tuple(far for far in FARS if far * n_different >= 1 - 1e-9)
