"""Held-back images, named by the nearest class mean."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune.record.held_back import HeldBack, by_nearest_mean

pytestmark = pytest.mark.tf


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_an_image_is_named_by_the_mean_it_has_the_largest_cosine_to():
    generator = np.random.default_rng(3)
    centres = generator.normal(size=(5, 16))
    train_labels, labels = np.repeat(np.arange(5), 4), np.repeat(np.arange(5), 30)
    train, held_back = (unit(centres[of] + 1.5 * generator.normal(size=(len(of), 16))) for of in (train_labels, labels))
    found = by_nearest_mean(train, train_labels, held_back, labels)
    means = np.stack([train[train_labels == person].mean(axis=0) for person in range(5)])
    cosines = [[face @ mean / np.linalg.norm(mean) for mean in means] for face in held_back]
    right = [int(np.argmax(row)) == label for row, label in zip(cosines, labels, strict=True)]
    assert 30 < sum(right) < 150
    assert found.correct.tolist() == right
    assert found.accuracy == pytest.approx(sum(right) / 150)


def test_what_is_stored_is_read_again():
    correct = np.array([True, False, True, True])
    stored = json.loads(json.dumps(HeldBack(correct).to_json()))
    assert stored == {"accuracy": 0.75, "correct": "1011"}
    assert HeldBack.from_json(stored).correct.tolist() == correct.tolist()
