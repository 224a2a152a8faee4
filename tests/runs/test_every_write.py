"""A run that is killed at any of its writes and resumed leaves the same bytes as an undisturbed run."""

from __future__ import annotations

import shutil
import sys

import pytest

pytest.importorskip("tensorflow")

from finetune.record.tensorboard import TensorBoard
from tests.runs.of_numbers import before_each_write, heard, outputs, unlike

pytestmark = pytest.mark.tf


@pytest.mark.slow
def test_killed_at_any_write_and_resumed_every_output_is_as_if_left_alone(inputs, run, tmp_path, monkeypatch):
    folder, kept = inputs.recipe.output, []

    def look(what):
        """Keep what a kill would leave at this moment."""
        now = outputs(folder) if folder.exists() else {}
        if not kept or now != kept[-1][1]:
            kept.append((what, now, tmp_path / "kept" / str(len(kept))))
            if folder.exists():
                shutil.copytree(folder, kept[-1][2])

    sys.addaudithook(heard)
    add = TensorBoard.add  # writes from C++, where nothing is heard of it
    with before_each_write(look) as looking, monkeypatch.context() as patched:
        patched.setattr(TensorBoard, "add", lambda self, row: (add(self, row), looking("events"))[0])
        run(resume=False)
    expected = outputs(folder)
    assert {"history.csv", "tensorboard/events", "stat.h5", "report.html", "MODEL_CARD.md", "result.json"} <= set(
        expected
    )
    assert {"2-too-much/rejected_lfw.json", "2-too-much/rejected_strangers.json", "images.sha256"} <= set(expected)
    assert len(kept) > 100
    failures = []
    for what, _, snapshot in kept:
        shutil.rmtree(folder)
        if snapshot.exists():
            shutil.copytree(snapshot, folder)
        run()
        if found := unlike(outputs(folder), expected):
            failures.append((what, found))
    assert failures == []
