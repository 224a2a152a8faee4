"""A model measured on pairs of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from finetune.errors import DataError
from finetune.evaluation import ImagePairs, evaluate_pairs, measure

PEOPLE = 12


@pytest.fixture
def image_pairs() -> ImagePairs:
    """Twelve people with two images each: a pair of each person, and one with the next person."""
    people = np.arange(PEOPLE)
    return ImagePairs(
        paths=tuple(Path(f"P{i}/P{i}_{k:04d}.png") for i in people for k in (1, 2)),
        index1=np.repeat(2 * people, 2),
        index2=np.stack([2 * people + 1, (2 * people + 2) % (2 * PEOPLE)], axis=1).ravel(),
        is_same=np.tile([True, False], PEOPLE),
        n_folds=4,
        notes=("2 of 26 pairs were skipped; missing images: 1",),
    )


class Embedder:
    """Gives seeded rows, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[Sequence[Path], bool]] = []

    def __call__(self, paths: Sequence[Path], flip: bool) -> np.ndarray:
        self.calls.append((paths, flip))
        return np.random.default_rng(0).normal(size=(len(paths), 8 if flip else 4)).astype(np.float32)


@pytest.mark.parametrize("flip", [False, True])
def test_each_image_is_embedded_once_and_the_pairs_are_judged_by_the_protocol(image_pairs, flip):
    embed = Embedder()
    result = measure(embed, image_pairs, distance="cosine", subtract_mean=True, flip=flip)
    assert embed.calls == [(image_pairs.paths, flip)]
    rows = embed(image_pairs.paths, flip)
    protocol = evaluate_pairs(
        rows[image_pairs.index1],
        rows[image_pairs.index2],
        image_pairs.is_same,
        distance="cosine",
        subtract_mean=True,
        n_folds=4,
    )
    assert result.fold_accuracy == protocol.fold_accuracy
    assert (result.val, result.auc, result.eer) == (protocol.val, protocol.auc, protocol.eer)
    assert (result.distance, result.subtract_mean, result.flip) == ("cosine", True, flip)
    assert result.pairs_sha256 == image_pairs.sha256


def test_skipped_pairs_stand_beside_the_figures(image_pairs):
    assert measure(Embedder(), image_pairs, distance="cosine").notes == image_pairs.notes


def test_a_model_that_gives_nan_is_named(image_pairs):
    with pytest.raises(DataError, match="NaN or infinity in 24 of 24 rows"):
        measure(lambda paths, flip: np.full((len(paths), 4), np.nan, np.float32), image_pairs)


def test_rows_left_out_never_shift_the_others(image_pairs):
    with pytest.raises(ValueError, match="embed gave 23 rows for 24 images"):
        measure(lambda paths, flip: np.ones((len(paths) - 1, 4), np.float32), image_pairs)
