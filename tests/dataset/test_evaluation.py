"""Images are read in order for evaluation, one batch ahead, and the first one that vanishes is named."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.dataset import EvaluationBatches
from finetune.errors import RunError
from finetune.images import Preprocessing

SIZE = 24
FIXED = Preprocessing(image_size=SIZE)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Write images: image i has 10 i in its blue channel, and each pixel's column and row in red and green."""
    row, column = np.indices((SIZE + 6, SIZE + 6), dtype=np.uint8)
    for i in range(20):
        Image.fromarray(np.stack([column, row, np.full_like(row, 10 * i)], axis=2)).save(tmp_path / f"{i:02}.png")
    return sorted(tmp_path.iterdir())


@pytest.mark.parametrize("batch_size", [1, 7, 20, 64])
def test_evaluation_keeps_the_order_and_crops_centrally(paths, batch_size):
    batches = EvaluationBatches(paths, preprocessing=FIXED, batch_size=batch_size)
    for _ in range(2):  # they are read anew at each iteration
        found = list(batches)
        assert [len(batch) for batch in found] == [min(batch_size, 20 - i) for i in range(0, 20, batch_size)]
        pixels = np.concatenate(found)
        assert pixels.dtype == np.uint8
        assert pixels[:, 0, 0].tolist() == [[3, 3, 10 * i] for i in range(20)]
        assert pixels[:, -1, -1].tolist() == [[3 + SIZE - 1, 3 + SIZE - 1, 10 * i] for i in range(20)]


def test_a_network_that_takes_grey_gets_grey(tmp_path):
    Image.fromarray(np.full([SIZE, SIZE], 90, np.uint8)).save(tmp_path / "grey.png")
    grey = Preprocessing(image_size=SIZE, channels="grey")
    (batch,) = EvaluationBatches([tmp_path / "grey.png"], preprocessing=grey, batch_size=4)
    assert batch.shape == (1, SIZE, SIZE, 1)
    assert set(batch.ravel()) == {90}


def test_nothing_gives_no_batch():
    assert list(EvaluationBatches([], preprocessing=FIXED, batch_size=4)) == []


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_an_image_that_vanishes_is_named_in_one_line_and_the_first_of_several(paths, batch_size):
    batches = EvaluationBatches(paths, preprocessing=FIXED, batch_size=batch_size)
    for lost in (paths[9], paths[2], paths[15]):
        lost.unlink()
    for _ in range(2):
        with pytest.raises(RunError) as raised:
            list(batches)
        line = f"{paths[2]}: no such file; it could be read when the run began: put it back and resume"
        assert str(raised.value) == line


def test_an_image_that_changed_since_its_inspection_is_refused(paths):
    checksums = [zlib.crc32(path.read_bytes()) for path in paths]
    batches = EvaluationBatches(paths, preprocessing=FIXED, batch_size=4, checksums=checksums)
    assert len(list(batches)) == 5
    paths[6].write_bytes(paths[5].read_bytes())
    with pytest.raises(RunError, match=r"06\.png: changed while it was used; leave the images as they are"):
        list(batches)
    assert len(list(EvaluationBatches(paths, preprocessing=FIXED, batch_size=4))) == 5
