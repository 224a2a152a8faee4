"""A model measured on pairs of images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from finetune.errors import DataError
from finetune.verification.measuring import measure
from finetune.verification.pairs import ImagePairs
from finetune.verification.protocols import K_FOLD, VerificationProtocol
from finetune.verification.protocols.lfw import evaluate_pairs
from finetune.verification.result import Overlap

PEOPLE = 12


@pytest.fixture
def image_pairs() -> ImagePairs:
    """Return pairs of twelve people with two images each: one pair of each person, and one with the next person."""
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
    """A stand-in that gives seeded rows and records its calls."""

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


def test_people_who_were_trained_on_are_named_and_left_out_of_a_second_result(image_pairs):
    embed = Embedder()
    result = measure(embed, image_pairs, distance="cosine", subtract_mean=True, flip=True, trained=["p3", "P99"])
    assert len(embed.calls) == 1
    # A pair of P3, one of P2 with P3 and one of P3 with P4.
    assert result.overlap == Overlap(("P3",), PEOPLE, 3)
    assert result.left_out == "the 1 of 12 identities trained on (3 of 24 pairs left out)"
    left = np.array([pair not in (5, 6, 7) for pair in range(24)])
    rows = embed(image_pairs.paths, True)
    protocol = evaluate_pairs(
        rows[image_pairs.index1],
        rows[image_pairs.index2],
        image_pairs.is_same,
        distance="cosine",
        subtract_mean=True,
        n_folds=4,
        keep=left,
    )
    without = result.without_overlap
    assert without.fold_accuracy == protocol.fold_accuracy
    assert (without.val, without.auc, without.eer) == (protocol.val, protocol.auc, protocol.eer)
    assert (without.n_pairs, without.flip) == (21, True)
    assert without.pairs_sha256 not in (None, image_pairs.sha256)
    alone = measure(Embedder(), image_pairs, distance="cosine", subtract_mean=True, flip=True)
    assert dataclasses.replace(result, overlap=None, without_overlap=None) == alone


def test_where_nobody_overlaps_nothing_is_evaluated_twice(image_pairs):
    calls = []

    def counted(*arguments, **options):
        calls.append(options)
        return K_FOLD.evaluate(*arguments, **options)

    protocol = dataclasses.replace(K_FOLD, evaluate=counted)
    alone = measure(Embedder(), image_pairs, protocol=protocol)
    assert (alone.overlap, alone.without_overlap, alone.left_out) == (None, None, "")
    result = measure(Embedder(), image_pairs, protocol=protocol, trained=["Nobody"])
    assert len(calls) == 2
    assert (result.overlap, result.left_out) == (Overlap((), PEOPLE, 0), "")
    assert dataclasses.replace(result, overlap=None) == alone


def test_another_protocol_is_asked_once_for_all_pairs_and_once_for_those_without_the_overlap(image_pairs):
    asked = []

    def evaluate(embeddings, pairs, *, distance, subtract_mean, size, keep=None):
        asked.append((embeddings.shape, distance, subtract_mean, size, None if keep is None else int(keep.sum())))
        kept = np.ones(24, bool) if keep is None else keep
        ends = embeddings[pairs.index1[kept]], embeddings[pairs.index2[kept]]
        return evaluate_pairs(*ends, pairs.is_same[kept], distance=distance, n_folds=2)

    protocol = VerificationProtocol("halves", "cuts what is kept in two", evaluate, lambda *_, **__: iter(()))
    result = measure(
        Embedder(), image_pairs, protocol=protocol.given(size=3), distance="cosine", flip=True, trained=["P3"]
    )
    assert asked == [((24, 8), "cosine", False, 3, None), ((24, 8), "cosine", False, 3, 21)]
    assert (result.n_folds, result.n_pairs, result.flip, result.notes) == (2, 24, True, image_pairs.notes)
    without = result.without_overlap
    assert (without.n_folds, without.n_pairs, without.flip, without.notes) == (2, 21, True, ())
    assert result.pairs_sha256 == image_pairs.sha256 != without.pairs_sha256


def test_too_few_pairs_without_the_people_who_were_trained_on_are_a_note(image_pairs):
    result = measure(Embedder(), image_pairs, trained=[f"P{i}" for i in range(6)])
    assert result.without_overlap is None
    # Left are the pairs among P6 to P11: those of one person, and all of two but P11 with P0.
    assert result.notes[-1] == (
        "no figures without the 6 of 12 identities trained on (13 of 24 pairs left out); pairs kept: "
        "found 6 of one person and 5 of two, and 2 of 4 folds without one of the kinds; keep more of each"
    )
