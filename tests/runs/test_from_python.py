"""A FineTuner in scripts: predictions, an evaluation by person, the history, callbacks, logging and resuming."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from finetune.errors import UserError
from finetune.recipe.stage import Stage

pytest.importorskip("tensorflow")
from finetune.model import Model

pytestmark = pytest.mark.tf
HEAD = Stage("head", train_from="Logits", epochs=2, learning_rate=0.01)


def test_a_head_is_trained_asked_and_resumed(make, faces, capfd, caplog):
    rows = []
    tuner = make(lfw=None, verbose=False)
    with caplog.at_level(logging.INFO, logger="finetune"):
        result = tuner.run(HEAD, on_epoch=rows.append)
    assert capfd.readouterr() == ("", "")
    assert any(line.startswith("saved in ") for line in caplog.messages)

    assert [row.epoch for row in rows] == [1, 2]
    history = tuner.history
    assert list(history["epoch"]) == [1, 2]
    assert list(history["loss"]) == [row["loss"] for row in rows]
    assert "triplet" not in history

    held_back = tuner.inputs.validation
    predictions = tuner.predict(held_back.paths)
    logits = Model.restore(result.folder).logits(held_back.paths).astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(predictions.probabilities, shares, atol=1e-6)
    assert predictions.names == tuple(held_back.class_names[label] for label in logits.argmax(axis=1))
    np.testing.assert_allclose(predictions.probability, shares.max(axis=1), atol=1e-6)

    found = tuner.evaluate()
    assert found.named.tolist() == logits.argmax(axis=1).tolist()
    assert found.labels.tolist() == held_back.labels.tolist()
    assert result.trained.held_back.named.tolist() == found.named.tolist()

    assert f"<td style='text-align: left'>{result.kept_epoch} of 2</td>" in tuner._repr_html_()
    assert result._repr_html_().count("<th") == 9

    again = make(lfw=None, resume=True)
    trained = again.model.digests()
    assert trained == tuner.model.digests()
    with pytest.raises(UserError, match=r"stages\[0\].epochs: the run began with 2, where the recipe now says 3"):
        again.run(Stage("head", train_from="Logits", epochs=3, learning_rate=0.01))
    assert again.run(HEAD).to_json() == result.to_json()
    assert again.model.digests() == trained
    second = again.run(Stage("again", train_from="Logits", epochs=1, learning_rate=0.01))
    assert (second.index, [row.stage for row in again.rows]) == (2, ["head", "head", "again"])
    capfd.readouterr()


def test_resume_begins_a_run_where_there_is_none(make):
    tuner = make(lfw=None, resume=True)
    assert tuner.run(Stage("head", train_from="Logits", epochs=1)).index == 1
    with pytest.raises(UserError, match=r"seed: the run began with 666, where the recipe now says 7"):
        make(lfw=None, resume=True, seed=7)


def test_without_held_back_images_nothing_is_evaluated(make, faces):
    with pytest.raises(UserError, match=r"^no images are held back; pass data="):
        make(lfw=None, data={"train": faces / "learn"}).evaluate()
