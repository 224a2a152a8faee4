"""Fixed random sample of the pairs within their folds, which takes less time to measure."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from finetune.verification.pairs import ImagePairs
from finetune.verification.protocols import cut_into_folds

SEED = 666


def sampled(pairs: ImagePairs, share: float | None) -> ImagePairs:
    """Return a share of the pairs, with the images that they name. The same pairs give the same sample.

    Each pair stays in its fold. All folds keep the same number of pairs. Each fold keeps its proportion of pairs of one
    person, and at least one pair of each kind.

    Args:
        pairs: pairs with at least one pair of each kind per fold.
        share: share of the pairs, above 0, below 1; None for all pairs.
    """
    if share is None:
        return pairs
    n_same = int(np.count_nonzero(pairs.is_same))  # a protocol without folds may have fewer pairs than folds
    folds, _ = cut_into_folds(pairs.is_same, min(pairs.n_folds, n_same, len(pairs.is_same) - n_same))
    size = max(2, round(share * min(map(len, folds))))
    kept = np.concatenate([_drawn(fold, pairs.is_same, size, [SEED, number]) for number, fold in enumerate(folds)])
    places, index = np.unique(np.stack([pairs.index1[kept], pairs.index2[kept]], axis=1), return_inverse=True)
    index = index.reshape(-1, 2)
    note = (
        f"a sample of {len(kept):,} of {len(pairs.is_same):,} pairs, drawn within the folds with seed {SEED}; "
        "its figures are not those of all pairs"
    )
    return dataclasses.replace(
        pairs,
        paths=tuple(pairs.paths[place] for place in places),
        index1=index[:, 0],
        index2=index[:, 1],
        is_same=pairs.is_same[kept],
        notes=(*pairs.notes, note),
        sample_of=len(pairs.is_same),
    )


def _drawn(
    fold: npt.NDArray[np.intp], is_same: npt.NDArray[np.bool_], size: int, seed: list[int]
) -> npt.NDArray[np.intp]:
    """Return `size` of a fold's pairs in their order, with the fold's proportion of pairs of one person."""
    generator = np.random.default_rng(seed)
    same, different = fold[is_same[fold]], fold[~is_same[fold]]
    n_same = min(max(1, round(size * len(same) / len(fold))), size - 1)
    parts = [generator.choice(same, n_same, replace=False), generator.choice(different, size - n_same, replace=False)]
    return np.sort(np.concatenate(parts))
