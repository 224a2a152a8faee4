"""A journal's lines are read back; a damaged one counts as a photo that was not finished."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from finetune.align.faces import LANDMARKS, Faces
from finetune.align.journal import Outcome, read_journal

FACES = Faces(np.array([[1.0, 2.0, 30.0, 40.0]]), np.array([0.99]), np.zeros([1, LANDMARKS]), 1)


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[: len(line) // 2],
        lambda line: json.dumps(json.loads(line) | {"faces": ["1 2 three"]}),
        lambda line: json.dumps(json.loads(line) | {"faces": ["1 2 3"]}),
        lambda line: json.dumps(json.loads(line) | {"faces": 7}),
        lambda line: json.dumps(json.loads(line) | {"fallback": "top"}),
        lambda line: json.dumps([line]),
        lambda line: "[" * 100_000,
    ],
)
def test_a_damaged_line_is_passed_over(tmp_path: Path, damage) -> None:
    lines = [Outcome(name, (5, 7), FACES, "").to_line() for name in ("a.jpg", "b.jpg", "c.jpg")]
    lines[1] = damage(lines[1])
    path = tmp_path / "journal"
    path.write_text("\n".join([json.dumps({"size": 160}), *lines]) + "\n")
    settings, outcomes = read_journal(path)
    assert settings == {"size": 160}
    assert list(outcomes) == ["a.jpg", "c.jpg"]
    assert outcomes["c.jpg"].faces.to_lines() == FACES.to_lines()
