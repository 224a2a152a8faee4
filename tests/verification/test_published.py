"""The figures equal those of the published scripts on the real checkpoint's embeddings, to 1e-9."""

from __future__ import annotations

import json

import numpy as np
import pytest

from finetune.verification import read_pairs
from finetune.verification.protocols.lfw import evaluate_pairs

pytestmark = pytest.mark.real

SETTINGS = [
    (pairs, distance, subtract_mean, flip)
    for pairs in ("pairs_novel.txt", "pairs_strangers.txt")
    for distance in ("euclidean", "cosine")
    for subtract_mean in (False, True)
    for flip in (False, True)
]


@pytest.fixture(scope="module")
def embeddings(shared):
    with np.load(shared / "expected" / "embeddings.npz", allow_pickle=False) as stored:
        plain, flipped = stored["plain"], np.hstack([stored["plain"], stored["flipped"]])
        names = [name.split("/")[-1] for name in stored["names"]]
    return {False: dict(zip(names, plain, strict=True)), True: dict(zip(names, flipped, strict=True))}


@pytest.fixture(scope="module")
def published(shared):
    rows = json.loads((shared / "expected" / "lfw.json").read_text())
    return {(row["pairs"], row["distance"], row["subtract_mean"], row["flip"]): row for row in rows}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: "-".join(map(str, setting)))
def test_every_figure_and_every_fold_as_published(shared, embeddings, published, setting):
    pairs, distance, subtract_mean, flip = setting
    pairs_file = read_pairs(shared / "lfw" / pairs)
    rows = embeddings[flip]
    result = evaluate_pairs(
        [rows[pair.first.split("/")[-1]] for pair in pairs_file.pairs],
        [rows[pair.second.split("/")[-1]] for pair in pairs_file.pairs],
        [pair.is_same for pair in pairs_file.pairs],
        distance=distance,
        subtract_mean=subtract_mean,
        n_folds=pairs_file.n_folds,
    )
    expected = published[setting]
    assert result.n_pairs == expected["n_pairs"]
    assert result.fold_accuracy == pytest.approx(expected["fold_accuracy"], abs=1e-9)
    for figure in ("accuracy", "accuracy_std", "val", "val_std", "far", "auc", "eer"):
        assert getattr(result, figure) == pytest.approx(expected[figure], abs=1e-9), figure
    assert bool(result.notes) == ("note" in expected), "the truncated AUC, and nothing else, is noted"
