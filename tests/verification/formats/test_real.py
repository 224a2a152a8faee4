"""Real faces have the same figures from LFW's form, a table, a list of two lines and a `.bin` file."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from finetune.recipe import LFW
from finetune.verification import Pair, measure, open_pairs, read_pairs
from finetune.verification.formats import bin_set, table

pytestmark = pytest.mark.real
FIGURES = ("accuracy", "accuracy_std", "val", "val_std", "far", "auc", "eer", "threshold", "fold_accuracy")


def small_gray(paths, *, flip):
    """Embed images as their own small grey pixels, which tell faces apart a little."""
    rows = np.array([np.asarray(Image.open(path).convert("L").resize((12, 12)), np.float64).ravel() for path in paths])
    rows -= rows.mean(axis=1, keepdims=True)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_pairs_of_real_faces_have_one_figure_in_every_form(shared, tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache/features"))
    given = shared / "lfw/pairs_novel.txt"
    faces, only = tmp_path / "faces", tmp_path / "people.txt"
    people = {name.split("/")[0] for pair in read_pairs(given).pairs for name in pair[:2]}
    only.write_text("\n".join(sorted(people)))
    command = [sys.executable, shared / "lfw/crop.py", faces, "--size", "112", "--margin", "32", "--only", only]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)

    first = open_pairs(LFW(dir=faces, pairs=given))
    ends = zip(first.index1, first.index2, first.is_same, strict=True)
    rows = [(first.paths[i], first.paths[j], bool(same)) for i, j, same in ends]
    named = [Pair(*(path.relative_to(faces).as_posix() for path in row[:2]), row[2]) for row in rows]
    bin_set.write(tmp_path / "pairs.bin", rows)
    (tmp_path / "pairs.csv").write_text(table.text_of([named], ","))
    lines = [f"{path.name} {int(same)}" for *both, same in rows for path in both]
    (tmp_path / "pairs_flat.txt").write_text("\n".join(lines))
    (tmp_path / "flat").mkdir()
    for path in first.paths:
        (tmp_path / "flat" / path.name).symlink_to(path)

    expected = measure(small_gray, first)
    assert (expected.n_pairs, expected.n_folds) == (1200, 10)
    assert 0.55 < expected.accuracy < 0.9
    for dir_, pairs in ((tmp_path, "pairs.bin"), (faces, "pairs.csv"), (tmp_path / "flat", "pairs_flat.txt")):
        result = measure(small_gray, open_pairs(LFW(dir=dir_, pairs=tmp_path / pairs)))
        for figure in FIGURES:
            assert getattr(result, figure) == pytest.approx(getattr(expected, figure), abs=1e-12), (pairs, figure)
