"""The measurements of a run: which weights they use, and which embeddings are not numbers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune.errors import NotFinite
from finetune.runs.evaluation import finite
from finetune.runs.teacher import Teacher

pytestmark = pytest.mark.tf

FIRST = "InceptionResnetV1/Conv2d_1a_3x3/weights"


@pytest.mark.slow
def test_embeddings_are_by_the_weights_as_they_stand_and_restored_ones_by_the_checkpoint_s(make):
    tuner = make(lfw=None)
    model, images, evaluation = tuner.model, tuner.inputs.train, tuner.context.evaluation
    restored = model.embed(images.paths)
    np.testing.assert_allclose(evaluation.embedder().embeddings(images.paths), restored, atol=2e-5)
    changed = {FIRST: model.variables[FIRST].numpy() * 1.5, "Logits/biases": np.full(model.num_classes, 3, np.float32)}
    model.assign(changed)
    now = model.embed(images.paths)
    assert np.abs(now - restored).max() > 1e-3
    np.testing.assert_allclose(evaluation.embedder().embeddings(images.paths), now, atol=2e-5)
    np.testing.assert_allclose(Teacher(tuner.inputs).clean(images), restored, atol=2e-5)
    for name, value in changed.items():
        np.testing.assert_array_equal(model.variables[name].numpy(), value)
    prelogits = evaluation.embedder().prelogits(images.paths)
    np.testing.assert_allclose(prelogits / np.linalg.norm(prelogits, axis=1, keepdims=True), now, atol=2e-5)


def test_embeddings_that_are_no_numbers_are_counted_by_image():
    rows = np.ones([5, 3], np.float32)
    assert finite(rows) is rows
    rows[1, 2], rows[4, 0], rows[4, 1] = np.nan, np.inf, -np.inf
    with pytest.raises(NotFinite, match="2 of 5 embeddings are not finite"):
        finite(rows)
