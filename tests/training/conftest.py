"""A model to train in the tests."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def restored(drawn_checkpoint):
    """Restore a checkpoint of drawn weights with a new classifier of four people; take `model` to change it."""
    from finetune.model import Model

    return Model.restore(drawn_checkpoint, class_names=("ann", "bob", "cid", "dee"), seed=3)


@pytest.fixture
def model(restored):
    """Yield the restored model, and put it back after the test."""
    tensors = restored.tensors()
    yield restored
    restored.assign(tensors)
